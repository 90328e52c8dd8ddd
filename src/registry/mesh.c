#include "appnet/registry/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "rowset.h"

struct mesh {
    struct rowset instances;           /* by name; owned */
    struct rowset connections;         /* by id; owned */
    struct rowset connections_by_plug; /* by source, outbound */
    struct rowset connections_by_hub;  /* by target, inbound, source, outbound */
    struct rowset tokens;              /* by id; owned */
};

/* ---- orders ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct model_instance *)a)->name,
                  ((const struct model_instance *)b)->name);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct model_connection *)a)->id,
                  ((const struct model_connection *)b)->id);
}

static int by_plug(const void *a, const void *b)
{
    const struct model_connection *x = a;
    const struct model_connection *y = b;
    int order = strcmp(x->source, y->source);

    return order != 0 ? order : strcmp(x->outbound, y->outbound);
}

static int by_hub(const void *a, const void *b)
{
    const struct model_connection *x = a;
    const struct model_connection *y = b;
    int order = strcmp(x->target, y->target);

    if (order == 0) {
        order = strcmp(x->inbound, y->inbound);
    }
    return order != 0 ? order : by_plug(x, y);
}

static int by_token(const void *a, const void *b)
{
    return strcmp(((const struct model_token *)a)->id, ((const struct model_token *)b)->id);
}

/* ---- life ---- */

struct mesh *mesh_new(void)
{
    struct mesh *mesh = memory_zalloc(sizeof *mesh);

    mesh->instances.compare = by_name;
    mesh->connections.compare = by_id;
    mesh->connections_by_plug.compare = by_plug;
    mesh->connections_by_hub.compare = by_hub;
    mesh->tokens.compare = by_token;
    return mesh;
}

static void free_instance(void *row)
{
    model_instance_free(row);
}

static void empty(struct rowset *set, void (*free_row)(void *row))
{
    void *row;

    while ((row = rowset_next(set, NULL))) {
        rowset_take(set, row);
        free_row(row);
    }
    rowset_clear(set);
}

void mesh_free(struct mesh *mesh)
{
    if (!mesh) {
        return;
    }
    rowset_clear(&mesh->connections_by_plug);
    rowset_clear(&mesh->connections_by_hub);
    empty(&mesh->instances, free_instance);
    empty(&mesh->connections, free);
    empty(&mesh->tokens, free);
    free(mesh);
}

/* ---- instances ---- */

/* What is too long to be a key of a row matches none, as does "". */
static void set_key(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", strlen(text) < size ? text : "");
}

const struct model_instance *mesh_put_instance(struct mesh *mesh,
                                               const struct model_instance *instance)
{
    struct model_instance *copy = model_instance_copy(instance);

    model_instance_free(rowset_put(&mesh->instances, copy));
    return copy;
}

bool mesh_remove_instance(struct mesh *mesh, const char *name)
{
    struct model_instance key = {0};
    struct model_instance *removed;

    set_key(key.name, sizeof key.name, name);
    removed = rowset_take(&mesh->instances, &key);
    model_instance_free(removed);
    return removed != NULL;
}

const struct model_instance *mesh_instance(const struct mesh *mesh, const char *name)
{
    struct model_instance key = {0};

    set_key(key.name, sizeof key.name, name);
    return rowset_find(&mesh->instances, &key);
}

const struct model_instance *mesh_next_instance(const struct mesh *mesh, const char *name)
{
    struct model_instance key = {0};

    model_name_set(key.name, name ? name : "");
    return rowset_next(&mesh->instances, &key);
}

size_t mesh_instance_count(const struct mesh *mesh)
{
    return mesh->instances.count;
}

/* ---- connections ---- */

static struct model_connection *take_connection(struct mesh *mesh,
                                                const struct model_connection *row)
{
    rowset_take(&mesh->connections_by_plug, row);
    rowset_take(&mesh->connections_by_hub, row);
    return rowset_take(&mesh->connections, row);
}

static struct model_connection *find_plug(const struct mesh *mesh, const char *source,
                                          const char *outbound)
{
    struct model_connection key = {0};

    set_key(key.source, sizeof key.source, source);
    set_key(key.outbound, sizeof key.outbound, outbound);
    return rowset_find(&mesh->connections_by_plug, &key);
}

static struct model_connection *find_id(const struct mesh *mesh, const char *id)
{
    struct model_connection key = {0};

    set_key(key.id, sizeof key.id, id);
    return rowset_find(&mesh->connections, &key);
}

const struct model_connection *mesh_put_connection(struct mesh *mesh,
                                                   const struct model_connection *connection)
{
    struct model_connection *copy = memory_zalloc(sizeof *copy);
    struct model_connection *old;

    *copy = *connection;
    if ((old = find_id(mesh, copy->id))) {
        free(take_connection(mesh, old));
    }
    if ((old = find_plug(mesh, copy->source, copy->outbound))) {
        free(take_connection(mesh, old));
    }
    rowset_put(&mesh->connections, copy);
    rowset_put(&mesh->connections_by_plug, copy);
    rowset_put(&mesh->connections_by_hub, copy);
    return copy;
}

bool mesh_remove_connection(struct mesh *mesh, const char *id)
{
    struct model_connection *row = find_id(mesh, id);

    if (row) {
        free(take_connection(mesh, row));
    }
    return row != NULL;
}

const struct model_connection *mesh_connection(const struct mesh *mesh, const char *id)
{
    return find_id(mesh, id);
}

const struct model_connection *mesh_connection_of(const struct mesh *mesh, const char *source,
                                                  const char *outbound)
{
    return find_plug(mesh, source, outbound);
}

size_t mesh_connection_count(const struct mesh *mesh)
{
    return mesh->connections.count;
}

const struct model_connection *mesh_next_connection(const struct mesh *mesh,
                                                    const struct model_connection *after)
{
    return rowset_next(&mesh->connections_by_plug, after);
}

const struct model_connection *mesh_next_from(const struct mesh *mesh, const char *source,
                                              const struct model_connection *after)
{
    struct model_connection first = {0};
    const struct model_connection *next;

    model_name_set(first.source, source);
    next = rowset_next(&mesh->connections_by_plug, after ? after : &first);
    return next && strcmp(next->source, source) == 0 ? next : NULL;
}

const struct model_connection *mesh_next_to(const struct mesh *mesh, const char *target,
                                            const char *inbound,
                                            const struct model_connection *after)
{
    struct model_connection first = {0};
    const struct model_connection *next;

    model_name_set(first.target, target);
    model_name_set(first.inbound, inbound ? inbound : "");
    next = rowset_next(&mesh->connections_by_hub, after ? after : &first);
    if (!next || strcmp(next->target, target) != 0) {
        return NULL;
    }
    return !inbound || strcmp(next->inbound, inbound) == 0 ? next : NULL;
}

/* ---- join tokens ---- */

const struct model_token *mesh_put_token(struct mesh *mesh, const struct model_token *token)
{
    struct model_token *copy = memory_zalloc(sizeof *copy);

    *copy = *token;
    free(rowset_put(&mesh->tokens, copy));
    return copy;
}

bool mesh_remove_token(struct mesh *mesh, const char *id)
{
    struct model_token key = {0};
    struct model_token *removed;

    set_key(key.id, sizeof key.id, id);
    removed = rowset_take(&mesh->tokens, &key);
    free(removed);
    return removed != NULL;
}

const struct model_token *mesh_token(const struct mesh *mesh, const char *id)
{
    struct model_token key = {0};

    set_key(key.id, sizeof key.id, id);
    return rowset_find(&mesh->tokens, &key);
}

const struct model_token *mesh_next_token(const struct mesh *mesh, const char *id)
{
    struct model_token key = {0};

    snprintf(key.id, sizeof key.id, "%s", id ? id : "");
    return rowset_next(&mesh->tokens, &key);
}

size_t mesh_token_count(const struct mesh *mesh)
{
    return mesh->tokens.count;
}
