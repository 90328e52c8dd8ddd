#include "registry_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model_instance *support_instance(const char *name, const char *words)
{
    struct model_instance *instance = calloc(1, sizeof *instance);
    char word[NAME_SIZE + 8];
    int used = 0;

    if (!instance) {
        abort();
    }
    model_name_set(instance->name, name);
    instance->applied = true;
    instance->created_at = 1790000000;
    for (; sscanf(words, " %71s%n", word, &used) == 1; words += used) {
        size_t length = strcspn(word, ":!");
        char kind = word[length];
        unsigned port = kind == ':' ? (unsigned)atoi(word + length + 1) : 0;
        struct model_interface *added;
        word[length] = '\0';
        added = model_interface_add(instance, word, kind == ':' ? MODEL_INBOUND : MODEL_OUTBOUND);
        added->required = kind == '!';
        added->port = (uint16_t)port;
        if (kind == ':') {
            model_name_set(added->rule, word);
        }
    }
    return instance;
}

struct model_connection support_connection(const char *id, const char *ends)
{
    struct model_connection connection = {.created_at = 1790000000123};

    snprintf(connection.id, sizeof connection.id, "%s", id);
    if (sscanf(ends, "%63[^.].%63[^ ] %63[^.].%63[^ ]", connection.source, connection.outbound,
               connection.target, connection.inbound) != 4) {
        abort();
    }
    return connection;
}

void support_put_instance(struct mesh *mesh, const char *name, const char *words)
{
    struct model_instance *instance = support_instance(name, words);

    mesh_put_instance(mesh, instance);
    model_instance_free(instance);
}

void support_put_connection(struct mesh *mesh, const char *id, const char *ends)
{
    struct model_connection connection = support_connection(id, ends);

    mesh_put_connection(mesh, &connection);
}
