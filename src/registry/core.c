#include "core.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

/* A row of a commit under way: the one of its change's kind. */
struct own_row {
    struct model_instance *instance;
    struct model_connection connection;
    struct model_token token;
};

struct commit {
    struct core *core;
    struct store_change *changes;
    struct own_row *rows; /* what the changes point to */
    unsigned count;
    void (*done)(void *argument, const struct store_result *result);
    void *argument;
};

static void copy_change(const struct store_change *from, struct store_change *to,
                        struct own_row *row)
{
    *to = *from;
    switch (from->kind) {
    case STORE_INSTANCE:
        to->row.instance = row->instance = model_instance_copy(from->row.instance);
        break;
    case STORE_CONNECTION:
        row->connection = *from->row.connection;
        to->row.connection = &row->connection;
        break;
    case STORE_TOKEN:
        row->token = *from->row.token;
        to->row.token = &row->token;
        break;
    }
}

static void set_revision(const struct store_change *change, struct own_row *row, int64_t revision)
{
    switch (change->kind) {
    case STORE_INSTANCE:
        row->instance->revision = revision;
        break;
    case STORE_CONNECTION:
        row->connection.revision = revision;
        break;
    case STORE_TOKEN:
        row->token.revision = revision;
        break;
    }
}

static void commit_free(struct commit *commit)
{
    for (unsigned i = 0; i < commit->count; i++) {
        model_instance_free(commit->rows[i].instance);
    }
    free(commit->rows);
    free(commit->changes);
    free(commit);
}

static void take_instance(struct core *core, const struct store_change *change)
{
    if (change->act == STORE_PUT) {
        mesh_put_instance(core->mesh, change->row.instance);
    } else {
        mesh_remove_instance(core->mesh, change->row.instance->name);
    }
}

static void take_connection(struct core *core, const struct store_change *change)
{
    if (change->act == STORE_PUT) {
        mesh_put_connection(core->mesh, change->row.connection);
    } else {
        mesh_remove_connection(core->mesh, change->row.connection->id);
    }
}

static void take_token(struct core *core, const struct store_change *change)
{
    if (change->act == STORE_PUT) {
        mesh_put_token(core->mesh, change->row.token);
    } else {
        mesh_remove_token(core->mesh, change->row.token->id);
    }
}

void core_take(struct core *core, const struct store_change *change)
{
    if (change->act == STORE_CHECK) {
        return;
    }
    switch (change->kind) {
    case STORE_INSTANCE:
        take_instance(core, change);
        break;
    case STORE_CONNECTION:
        take_connection(core, change);
        break;
    case STORE_TOKEN:
        take_token(core, change);
        break;
    }
}

static void show_connection(struct core *core, const struct model_connection *connection)
{
    events_publish(core->events, "connection", forms_connection(&core->forms, connection));
}

/* A rule may name another port: that is what both ends of its connections go by, and what their
 * forms tell. */
static void tell_both_ends(struct core *core, const char *instance)
{
    const struct model_connection *at = NULL;

    feed_touch(core->feed, instance);
    while ((at = mesh_next_from(core->mesh, instance, at))) {
        show_connection(core, at);
    }
    while ((at = mesh_next_to(core->mesh, instance, NULL, at))) {
        show_connection(core, at);
        feed_touch(core->feed, at->source);
    }
}

static void tell_of_instance(struct core *core, const struct store_change *change)
{
    const char *name = change->row.instance->name;
    const struct model_instance *instance = mesh_instance(core->mesh, name);

    if (!instance) {
        feed_cut(core->feed, name);
        presence_forget(core->presence, name);
        events_publish(core->events, "instance-removed", json_pack("{s:s}", "name", name));
        return;
    }
    events_publish(core->events, "instance", forms_instance(&core->forms, instance));
    tell_both_ends(core, name);
    standings_look_at(core->standings, name);
}

/* The instance's own form names its connections. */
static void show_instance(struct core *core, const char *name)
{
    const struct model_instance *instance = mesh_instance(core->mesh, name);

    if (instance) {
        events_publish(core->events, "instance", forms_instance(&core->forms, instance));
    }
}

static void tell_of_connection(struct core *core, const struct store_change *change)
{
    const struct model_connection *row = change->row.connection;
    const struct model_connection *connection = mesh_connection(core->mesh, row->id);

    feed_touch(core->feed, row->source);
    feed_touch(core->feed, row->target);
    if (connection) {
        standings_look(core->standings, connection);
        if (change->expected != 0) {
            return;
        }
    } else {
        standings_forget(core->standings, row->id);
        events_publish(core->events, "connection-removed", json_pack("{s:s}", "id", row->id));
    }
    show_instance(core, row->source);
    show_instance(core, row->target);
}

static void tell(struct core *core, const struct store_change *change)
{
    if (change->act == STORE_CHECK) {
        return;
    }
    if (change->kind == STORE_INSTANCE) {
        tell_of_instance(core, change);
    } else if (change->kind == STORE_CONNECTION) {
        tell_of_connection(core, change);
    }
}

static void on_committed(void *argument, const struct store_result *result)
{
    struct commit *commit = argument;
    struct core *core = commit->core;

    core->under_way--;
    if (result->outcome == STORE_DONE) {
        core->revision = result->revision;
        for (unsigned i = 0; i < commit->count; i++) {
            set_revision(&commit->changes[i], &commit->rows[i], result->revision);
            core_take(core, &commit->changes[i]);
        }
        for (unsigned i = 0; i < commit->count; i++) {
            tell(core, &commit->changes[i]);
        }
    }
    if (commit->done) {
        commit->done(commit->argument, result);
    }
    commit_free(commit);
}

void core_commit(struct core *core, const struct store_change *changes, unsigned count,
                 void (*done)(void *argument, const struct store_result *result), void *argument)
{
    struct commit *commit = memory_zalloc(sizeof *commit);

    commit->core = core;
    commit->count = count;
    commit->done = done;
    commit->argument = argument;
    commit->changes = memory_zalloc(count * sizeof *commit->changes);
    commit->rows = memory_zalloc(count * sizeof *commit->rows);
    for (unsigned i = 0; i < count; i++) {
        copy_change(&changes[i], &commit->changes[i], &commit->rows[i]);
    }
    core->under_way++;
    store_commit(core->store, commit->changes, count, on_committed, commit);
}
