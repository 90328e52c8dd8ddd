#include "outbound_environment.h"
#include "appnet/base/address.h"
#include "appnet/base/name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "APPNET_OUTBOUND_"
#define VARIABLE_SIZE (sizeof PREFIX + NAME_SIZE + sizeof "_HOST")

enum part { PART_ADDRESS, PART_HOST, PART_PORT, PART_COUNT };

static const char *const suffixes[PART_COUNT] = {"", "_HOST", "_PORT"};

static const char *name_of(const json_t *outbound)
{
    const char *name = json_string_value(json_object_get(outbound, "name"));

    return name && name_valid(name, strlen(name)) ? name : NULL;
}

static void variable_of(const char *name, enum part part, char out[VARIABLE_SIZE])
{
    snprintf(out, VARIABLE_SIZE, PREFIX "%s%s", name, suffixes[part]);
    for (char *c = out; *c; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
}

/* Whether one outbound's own variable is a part of another's. */
static int check_names(const json_t *outbounds, struct error *err)
{
    char own[VARIABLE_SIZE];
    char part[VARIABLE_SIZE];
    size_t count = json_array_size(outbounds);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < 2 * count; j++) {
            const char *a = name_of(json_array_get(outbounds, i));
            const char *b = name_of(json_array_get(outbounds, j / 2));
            if (!a || !b || i == j / 2) {
                continue;
            }
            variable_of(a, PART_ADDRESS, own);
            variable_of(b, j % 2 ? PART_PORT : PART_HOST, part);
            if (strcmp(own, part) == 0) {
                return error_set(err,
                                 "outbounds %s and %s would both set %s for the application: "
                                 "rename one of them",
                                 b, a, own);
            }
        }
    }
    return 0;
}

/* Every address of the machine is not one that can be dialled. */
static void make_dialable(struct address *address)
{
    if (strcmp(address->host, "0.0.0.0") == 0) {
        snprintf(address->host, sizeof address->host, "127.0.0.1");
    } else if (strcmp(address->host, "::") == 0) {
        snprintf(address->host, sizeof address->host, "::1");
    }
}

static void set_one(const json_t *outbound)
{
    const char *listen = json_string_value(json_object_get(outbound, "listen"));
    const char *name = name_of(outbound);
    char variable[VARIABLE_SIZE];
    char texts[PART_COUNT][ADDRESS_TEXT_SIZE] = {"", "", ""};
    struct address address;
    bool listens = listen && address_parse(listen, &address, NULL) == 0;

    if (!name) {
        return;
    }
    if (listens) {
        make_dialable(&address);
        address_format(&address, texts[PART_ADDRESS], sizeof texts[PART_ADDRESS]);
        snprintf(texts[PART_HOST], sizeof texts[PART_HOST], "%s", address.host);
        snprintf(texts[PART_PORT], sizeof texts[PART_PORT], "%u", address.port);
    }
    for (int part = 0; part < PART_COUNT; part++) {
        variable_of(name, (enum part)part, variable);
        if (listens) {
            setenv(variable, texts[part], 1);
        } else {
            unsetenv(variable);
        }
    }
}

int outbound_environment_set(const json_t *status, struct error *err)
{
    const json_t *outbounds = json_object_get(status, "outbounds");

    if (check_names(outbounds, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < json_array_size(outbounds); i++) {
        set_one(json_array_get(outbounds, i));
    }
    return 0;
}
