#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

/* FNV-1a: two views are compared by it to save sending one, and whoever forged it would only
 * deceive himself. */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
    } while (*text++ != '\0');
    return hash;
}

static json_t *addresses_of(const struct presence *presence, const char *instance)
{
    const struct replica *replica = NULL;
    json_t *list = json_array();

    while ((replica = presence_next(presence, instance, replica))) {
        if (replica->address[0] != '\0' && !replica->silent) {
            json_array_append_new(list, json_string(replica->address));
        }
    }
    return list;
}

/* Rule 5: the target port of the inbound's rule. */
static int port_of(const struct mesh *mesh, const struct model_connection *connection)
{
    const struct model_instance *target = mesh_instance(mesh, connection->target);
    const struct model_interface *inbound =
        target ? model_interface_find(target, connection->inbound) : NULL;

    return inbound ? inbound->port : 0;
}

static void add(struct view *view, const struct model_connection *connection, json_t *entry)
{
    struct view_entry *place;

    if ((view->count & (view->count - 1)) == 0) {
        view->entries =
            memory_grow(view->entries, view->count ? 2 * view->count : 1, sizeof *view->entries);
    }
    place = &view->entries[view->count++];
    memcpy(place->id, connection->id, sizeof place->id);
    place->text = json_dumps(entry, JSON_COMPACT);
    json_decref(entry);
}

static void add_as_source(struct view *view, const struct mesh *mesh,
                          const struct presence *presence,
                          const struct model_connection *connection)
{
    add(view, connection,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "id", connection->id, "role", "source",
                  "outbound", connection->outbound, "instance", connection->target, "inbound",
                  connection->inbound, "port", port_of(mesh, connection), "addresses",
                  addresses_of(presence, connection->target)));
}

static void add_as_target(struct view *view, const struct mesh *mesh,
                          const struct model_connection *connection)
{
    add(view, connection,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "id", connection->id, "role", "target",
                  "inbound", connection->inbound, "instance", connection->source, "outbound",
                  connection->outbound, "port", port_of(mesh, connection)));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct view_entry *)a)->id, ((const struct view_entry *)b)->id);
}

struct view *view_new(const struct mesh *mesh, const struct presence *presence,
                      const char *instance, const char *trust_bundle)
{
    struct view *view = memory_zalloc(sizeof *view);
    const struct model_connection *at = NULL;
    uint64_t hash = FNV_BASIS;

    while ((at = mesh_next_from(mesh, instance, at))) {
        if (!at->removing) {
            add_as_source(view, mesh, presence, at);
        }
    }
    while ((at = mesh_next_to(mesh, instance, NULL, at))) {
        if (!at->removing) {
            add_as_target(view, mesh, at);
        }
    }
    if (view->count > 0) {
        qsort(view->entries, view->count, sizeof *view->entries, compare);
    }
    view->trust_bundle = memory_strdup(trust_bundle);
    hash = mix(hash, trust_bundle);
    for (unsigned i = 0; i < view->count; i++) {
        hash = mix(hash, view->entries[i].text);
    }
    snprintf(view->digest, sizeof view->digest, "%016" PRIx64, hash);
    return view;
}

void view_free(struct view *view)
{
    if (!view) {
        return;
    }
    for (unsigned i = 0; i < view->count; i++) {
        free(view->entries[i].text);
    }
    free(view->entries);
    free(view->trust_bundle);
    free(view);
}

static void append(json_t *list, const struct view_entry *entry)
{
    json_array_append_new(list, json_loads(entry->text, 0, NULL));
}

void view_write(const struct view *view, json_t *line)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < view->count; i++) {
        append(list, &view->entries[i]);
    }
    json_object_set_new(line, "view", json_string(view->digest));
    json_object_set_new(line, "connections", list);
    json_object_set_new(line, "trust_bundle", json_string(view->trust_bundle));
}

void view_write_change(const struct view *from, const struct view *to, json_t *line)
{
    json_t *put = json_array();
    json_t *removed = json_array();
    unsigned i = 0;
    unsigned j = 0;

    while (i < from->count || j < to->count) {
        int order = i == from->count ? 1
                    : j == to->count ? -1
                                     : strcmp(from->entries[i].id, to->entries[j].id);
        if (order < 0) {
            json_array_append_new(removed, json_string(from->entries[i++].id));
        } else if (order > 0) {
            append(put, &to->entries[j++]);
        } else {
            if (strcmp(from->entries[i].text, to->entries[j].text) != 0) {
                append(put, &to->entries[j]);
            }
            i++;
            j++;
        }
    }
    json_object_set_new(line, "view", json_string(to->digest));
    json_object_set_new(line, "put", put);
    json_object_set_new(line, "remove", removed);
    if (strcmp(from->trust_bundle, to->trust_bundle) != 0) {
        json_object_set_new(line, "trust_bundle", json_string(to->trust_bundle));
    }
}
