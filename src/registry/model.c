#include "appnet/registry/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"

#define ID_PREFIX "c-"
#define ID_PREFIX_LENGTH (sizeof ID_PREFIX - 1)

static const char id_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

const char *model_direction_text(enum model_direction direction)
{
    return direction == MODEL_INBOUND ? "inbound" : "outbound";
}

const struct model_interface *model_interface_find(const struct model_instance *instance,
                                                   const char *name)
{
    for (unsigned i = 0; i < instance->interface_count; i++) {
        if (strcmp(instance->interfaces[i].name, name) == 0) {
            return &instance->interfaces[i];
        }
    }
    return NULL;
}

struct model_interface *model_interface_add(struct model_instance *instance, const char *name,
                                            enum model_direction direction)
{
    struct model_interface *added;

    instance->interfaces = memory_grow(instance->interfaces, instance->interface_count + 1,
                                       sizeof *instance->interfaces);
    added = &instance->interfaces[instance->interface_count++];
    *added = (struct model_interface){.direction = direction};
    model_name_set(added->name, name);
    return added;
}

struct model_instance *model_instance_copy(const struct model_instance *instance)
{
    struct model_instance *copy = memory_zalloc(sizeof *copy);

    *copy = *instance;
    copy->interfaces = NULL;
    if (instance->interface_count > 0) {
        copy->interfaces =
            memory_grow(NULL, instance->interface_count, sizeof *instance->interfaces);
        memcpy(copy->interfaces, instance->interfaces,
               instance->interface_count * sizeof *instance->interfaces);
    }
    return copy;
}

void model_instance_free(struct model_instance *instance)
{
    if (!instance) {
        return;
    }
    free(instance->interfaces);
    free(instance);
}

static bool interface_equal(const struct model_interface *a, const struct model_interface *b)
{
    return a->direction == b->direction && a->required == b->required && a->port == b->port &&
           strcmp(a->rule, b->rule) == 0;
}

bool model_interfaces_equal(const struct model_instance *a, const struct model_instance *b)
{
    if (a->interface_count != b->interface_count) {
        return false;
    }
    for (unsigned i = 0; i < a->interface_count; i++) {
        const struct model_interface *other = model_interface_find(b, a->interfaces[i].name);
        if (!other || !interface_equal(&a->interfaces[i], other)) {
            return false;
        }
    }
    return true;
}

void model_name_set(char out[NAME_SIZE], const char *name)
{
    snprintf(out, NAME_SIZE, "%s", name);
}

void model_connection_id_make(char out[MODEL_CONNECTION_ID_SIZE])
{
    memcpy(out, ID_PREFIX, ID_PREFIX_LENGTH);
    for (unsigned i = ID_PREFIX_LENGTH; i < MODEL_CONNECTION_ID_SIZE - 1; i++) {
        out[i] = id_characters[random_below(sizeof id_characters - 1)];
    }
    out[MODEL_CONNECTION_ID_SIZE - 1] = '\0';
}

bool model_connection_id_valid(const char *text)
{
    return strncmp(text, ID_PREFIX, ID_PREFIX_LENGTH) == 0 &&
           strlen(text) == MODEL_CONNECTION_ID_SIZE - 1 &&
           strspn(text + ID_PREFIX_LENGTH, id_characters) ==
               MODEL_CONNECTION_ID_SIZE - 1 - ID_PREFIX_LENGTH;
}
