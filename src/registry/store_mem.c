/* A store for tests: as strict as a database, and gone with the process. */
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "store_local.h"

struct mem {
    struct mesh *mesh;
    int64_t revision;
};

/* ---- rows ---- */

/* The row of the change's key; all of it NULL: there is none. */
static union store_row find_row(const struct mesh *mesh, const struct store_change *change)
{
    union store_row found = {0};

    switch (change->kind) {
    case STORE_INSTANCE:
        found.instance = mesh_instance(mesh, change->row.instance->name);
        break;
    case STORE_CONNECTION:
        found.connection = mesh_connection_of(mesh, change->row.connection->source,
                                              change->row.connection->outbound);
        break;
    case STORE_TOKEN:
        found.token = mesh_token(mesh, change->row.token->id);
        break;
    }
    return found;
}

static int64_t revision_of(const struct mesh *mesh, const struct store_change *change)
{
    union store_row row = find_row(mesh, change);

    switch (change->kind) {
    case STORE_INSTANCE:
        return row.instance ? row.instance->revision : STORE_ABSENT;
    case STORE_CONNECTION:
        return row.connection ? row.connection->revision : STORE_ABSENT;
    case STORE_TOKEN:
        return row.token ? row.token->revision : STORE_ABSENT;
    }
    return STORE_ABSENT;
}

static void put_row(struct mesh *mesh, enum store_kind kind, union store_row row)
{
    switch (kind) {
    case STORE_INSTANCE:
        mesh_put_instance(mesh, row.instance);
        break;
    case STORE_CONNECTION:
        mesh_put_connection(mesh, row.connection);
        break;
    case STORE_TOKEN:
        mesh_put_token(mesh, row.token);
        break;
    }
}

static void remove_row(struct mesh *mesh, const struct store_change *change)
{
    union store_row row = find_row(mesh, change);

    switch (change->kind) {
    case STORE_INSTANCE:
        mesh_remove_instance(mesh, change->row.instance->name);
        break;
    case STORE_CONNECTION:
        if (row.connection) {
            mesh_remove_connection(mesh, row.connection->id);
        }
        break;
    case STORE_TOKEN:
        mesh_remove_token(mesh, change->row.token->id);
        break;
    }
}

/* ---- constraints ---- */

static bool has_interface(const struct mesh *mesh, const char *instance, const char *name,
                          enum model_direction direction)
{
    const struct model_instance *row = mesh_instance(mesh, instance);
    const struct model_interface *interface = row ? model_interface_find(row, name) : NULL;

    return interface && interface->direction == direction;
}

static bool connection_fits(const struct mesh *mesh, const struct model_connection *connection)
{
    const struct model_connection *namesake = mesh_connection(mesh, connection->id);

    return strcmp(connection->source, connection->target) != 0 &&
           has_interface(mesh, connection->source, connection->outbound, MODEL_OUTBOUND) &&
           has_interface(mesh, connection->target, connection->inbound, MODEL_INBOUND) &&
           (!namesake || (strcmp(namesake->source, connection->source) == 0 &&
                          strcmp(namesake->outbound, connection->outbound) == 0));
}

/* Whether no connection loses an end when `now` takes the place of `old`. NULL: nothing does. */
static bool ends_stay(const struct mesh *mesh, const struct model_instance *old,
                      const struct model_instance *now)
{
    for (unsigned i = 0; old && i < old->interface_count; i++) {
        const struct model_interface *interface = &old->interfaces[i];
        const struct model_interface *next =
            now ? model_interface_find(now, interface->name) : NULL;
        const struct model_connection *use =
            interface->direction == MODEL_OUTBOUND
                ? mesh_connection_of(mesh, old->name, interface->name)
                : mesh_next_to(mesh, old->name, interface->name, NULL);
        if (use && (!next || next->direction != interface->direction)) {
            return false;
        }
    }
    return true;
}

static bool holds_constraints(const struct mesh *mesh, const struct store_change *change)
{
    if (change->kind == STORE_CONNECTION && change->act == STORE_PUT) {
        return connection_fits(mesh, change->row.connection);
    }
    if (change->kind == STORE_INSTANCE && change->act != STORE_CHECK) {
        return ends_stay(mesh, find_row(mesh, change).instance,
                         change->act == STORE_PUT ? change->row.instance : NULL);
    }
    return true;
}

/* ---- commits ---- */

/* What takes a change back again. Its row is owned. */
static struct store_change reverse_of(const struct mesh *mesh, const struct store_change *change)
{
    struct store_change reverse = {.kind = change->kind};
    bool is_there = revision_of(mesh, change) != STORE_ABSENT;

    reverse.act = is_there ? STORE_PUT : STORE_DELETE;
    reverse.row =
        store_local_copy_row(change->kind, is_there ? find_row(mesh, change) : change->row);
    return reverse;
}

static void put_at_revision(struct mesh *mesh, const struct store_change *change, int64_t revision)
{
    union store_row row = store_local_copy_row(change->kind, change->row);

    switch (change->kind) {
    case STORE_INSTANCE:
        ((struct model_instance *)row.instance)->revision = revision;
        break;
    case STORE_CONNECTION:
        ((struct model_connection *)row.connection)->revision = revision;
        break;
    case STORE_TOKEN:
        ((struct model_token *)row.token)->revision = revision;
        break;
    }
    put_row(mesh, change->kind, row);
    store_local_free_row(change->kind, row);
}

static bool make(struct mem *mem, const struct store_change *change, unsigned number,
                 struct store_result *result)
{
    if (!store_local_expects(change, number, revision_of(mem->mesh, change), result)) {
        return false;
    }
    if (!holds_constraints(mem->mesh, change)) {
        store_local_violates(change, number, result);
        return false;
    }
    if (change->act == STORE_PUT) {
        put_at_revision(mem->mesh, change, mem->revision + 1);
    } else if (change->act == STORE_DELETE) {
        remove_row(mem->mesh, change);
    }
    return true;
}

static void take_back(struct mesh *mesh, const struct store_change *reverse)
{
    if (reverse->act == STORE_PUT) {
        put_row(mesh, reverse->kind, reverse->row);
    } else {
        remove_row(mesh, reverse);
    }
}

static void apply(void *engine, const struct store_change *changes, unsigned count,
                  struct store_result *result)
{
    struct mem *mem = engine;
    struct store_change *reverses = memory_grow(NULL, count, sizeof *reverses);
    unsigned made = 0;

    *result = (struct store_result){.outcome = STORE_DONE};
    for (; made < count; made++) {
        reverses[made] = reverse_of(mem->mesh, &changes[made]);
        if (!make(mem, &changes[made], made, result)) {
            store_local_free_row(reverses[made].kind, reverses[made].row);
            break;
        }
    }
    if (result->outcome == STORE_DONE) {
        mem->revision++;
    }
    result->revision = mem->revision;
    while (made-- > 0) {
        if (result->outcome != STORE_DONE && changes[made].act != STORE_CHECK) {
            take_back(mem->mesh, &reverses[made]);
        }
        store_local_free_row(reverses[made].kind, reverses[made].row);
    }
    free(reverses);
}

/* Memory never fails, so that a batch needs no end. */
static int begin(void *engine, struct error *err)
{
    (void)engine;
    (void)err;
    return 0;
}

static void cancel(void *engine)
{
    (void)engine;
}

static int load(void *engine, struct mesh *mesh, int64_t *revision, struct error *err)
{
    struct mem *mem = engine;
    const struct model_instance *instance = NULL;
    const struct model_connection *connection = NULL;
    const struct model_token *token = NULL;

    (void)err;
    while ((instance = mesh_next_instance(mem->mesh, instance ? instance->name : NULL))) {
        mesh_put_instance(mesh, instance);
    }
    while ((connection = mesh_next_connection(mem->mesh, connection))) {
        mesh_put_connection(mesh, connection);
    }
    while ((token = mesh_next_token(mem->mesh, token ? token->id : NULL))) {
        mesh_put_token(mesh, token);
    }
    *revision = mem->revision;
    return 0;
}

static void free_mem(void *engine)
{
    struct mem *mem = engine;

    mesh_free(mem->mesh);
    free(mem);
}

static const struct store_engine functions = {
    .load = load,
    .begin = begin,
    .apply = apply,
    .end = begin,
    .cancel = cancel,
    .free = free_mem,
};

static struct store *open_mem(const char *place, const char *folder, struct loop *loop,
                              struct error *err)
{
    struct mem *mem;

    (void)folder;
    if (place[0] != '\0') {
        error_set(err, "store \"mem:%.200s\": expected nothing behind mem:", place);
        return NULL;
    }
    mem = memory_zalloc(sizeof *mem);
    mem->mesh = mesh_new();
    return store_local_new(&store_mem, &functions, mem, loop, err);
}

const struct store_table store_mem = {
    .scheme = "mem",
    .open = open_mem,
    .close = store_local_close,
    .load = store_local_load,
    .commit = store_local_commit,
};
