#include "appnet/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "option.h"

#define FILE_LIMIT ((size_t)1 << 20)
#define DRAIN_TIMEOUT 25
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text);

    return length > strlen(ending) && strcmp(text + length - strlen(ending), ending) == 0;
}

static char *absolute_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? memory_printf("%.*s", (int)(slash - path) + 1, path) : memory_strdup(".");
    char *absolute = realpath(folder, NULL);

    free(folder);
    return absolute;
}

static int read_text(struct config_reader *reader, const char *text, size_t size)
{
    const char *zero = memchr(text, '\0', size);
    struct config *config = reader->config;
    int rc;

    if (zero) {
        int line = 1;

        for (const char *c = text; c < zero; c++)
            line += *c == '\n';
        return option_error(reader, line, SECTION_TOP, NULL, "a zero byte: expected text");
    }
    if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        text += strlen(BYTE_ORDER_MARK);
    rc = reader->format == FORMAT_INI ? ini_read(reader, text) : libconfig_read(reader, text);
    if (rc != 0)
        return -1;
    if (!config->admin)
        config->admin = memory_printf("/run/appnet/%s.sock", config->instance);
    if (!config->state_dir && config->registry.line)
        config->state_dir = memory_printf("/var/lib/appnet/%s", config->instance);
    return config_check(reader);
}

struct config *config_load(const char *path, struct error *err)
{
    struct config_reader reader = {.err = err};
    char *text;
    size_t size;
    int rc;

    if (ends_with(path, ".ini")) {
        reader.format = FORMAT_INI;
    } else if (!ends_with(path, ".conf")) {
        error_set(err, "%s: expected a file whose name ends in .conf (libconfig) or .ini (INI)",
                  path);
        return NULL;
    }
    if (file_read(path, FILE_LIMIT, &text, &size, err) != 0)
        return NULL;
    reader.folder = absolute_folder(path);
    if (!reader.folder) {
        error_set_errno(err, errno, "cannot find the folder of %s", path);
        free(text);
        return NULL;
    }
    reader.config = memory_zalloc(sizeof(*reader.config));
    reader.config->file = memory_strdup(path);
    reader.config->drain_timeout = DRAIN_TIMEOUT;
    rc = read_text(&reader, text, size);
    free(reader.folder);
    free(text);
    if (rc == 0)
        return reader.config;
    config_free(reader.config);
    return NULL;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (unsigned i = 0; i < config->outbound_count; i++)
        free(config->outbounds[i].name);
    for (unsigned i = 0; i < config->inbound_count; i++)
        free(config->inbounds[i].name);
    for (unsigned i = 0; i < config->connection_count; i++) {
        free(config->connections[i].outbound);
        free(config->connections[i].instance);
        free(config->connections[i].inbound);
    }
    for (unsigned i = 0; i < config->allow_count; i++) {
        free(config->allows[i].inbound);
        free(config->allows[i].instance);
        free(config->allows[i].outbound);
    }
    free(config->outbounds);
    free(config->inbounds);
    free(config->connections);
    free(config->allows);
    free(config->file);
    free(config->instance);
    free(config->trust_domain);
    free(config->state_dir);
    free(config->admin);
    free(config->registry.address);
    free(config->registry.join_token_file);
    free(config->identity.certificate);
    free(config->identity.key);
    free(config->identity.ca);
    free(config);
}

const struct config_outbound *config_find_outbound(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->outbound_count; i++) {
        if (strcmp(config->outbounds[i].name, name) == 0)
            return &config->outbounds[i];
    }
    return NULL;
}

const struct config_inbound *config_find_inbound(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->inbound_count; i++) {
        if (strcmp(config->inbounds[i].name, name) == 0)
            return &config->inbounds[i];
    }
    return NULL;
}

const struct config_connection *config_find_connection(const struct config *config,
                                                       const char *outbound)
{
    for (unsigned i = 0; i < config->connection_count; i++) {
        if (strcmp(config->connections[i].outbound, outbound) == 0)
            return &config->connections[i];
    }
    return NULL;
}
