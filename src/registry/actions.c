#include "appnet/registry/actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/time.h"
#include "core.h"

/* A request that the store works on. */
struct action {
    struct core *core;
    struct reply *reply;
    struct model_connection connection;
    char instance[NAME_SIZE];
    bool is_new;
    bool confirmed;
};

static struct action *action_new(struct core *core, struct reply *reply)
{
    struct action *action = memory_zalloc(sizeof *action);

    action->core = core;
    action->reply = reply;
    return action;
}

void action_failed(struct reply *reply, const struct store_result *result)
{
    if (result->outcome == STORE_CONFLICT) {
        reply_problem(reply, 409, "changed-meanwhile",
                      "somebody else has just changed this: nothing was done",
                      "look again, and try again");
        return;
    }
    log_error("store failed", LOG_S("detail", result->why.text));
    reply_problem(reply, 503, "store-failed", result->why.text,
                  "nothing was changed: try again when the registry's disk is well");
}

/* The row must still be as it was when the rules were asked. */
static struct store_change unchanged(const struct model_instance *instance)
{
    return (struct store_change){.act = STORE_CHECK,
                                 .kind = STORE_INSTANCE,
                                 .expected = instance->revision,
                                 .row.instance = instance};
}

static struct store_change put_connection(const struct model_connection *connection)
{
    return (struct store_change){.act = STORE_PUT,
                                 .kind = STORE_CONNECTION,
                                 .expected = connection->revision,
                                 .row.connection = connection};
}

static struct store_change put_instance(const struct model_instance *instance, int64_t expected)
{
    return (struct store_change){
        .act = STORE_PUT, .kind = STORE_INSTANCE, .expected = expected, .row.instance = instance};
}

/* ---- connections ---- */

static void accepted(struct action *action, const char *message)
{
    const struct core *core = action->core;
    const struct model_connection *row = &action->connection;
    const struct model_connection *connection = mesh_connection(core->mesh, row->id);
    char location[64];

    log_info(message, LOG_S("id", row->id), LOG_S("source", row->source),
             LOG_S("outbound", row->outbound), LOG_S("target", row->target),
             LOG_S("inbound", row->inbound));
    snprintf(location, sizeof location, "/v1/connections/%s", row->id);
    reply_header(action->reply, "Location", location);
    reply_json(action->reply, 202, forms_connection(&core->forms, connection));
}

static void on_connected(void *argument, const struct store_result *result)
{
    struct action *action = argument;
    const struct model_connection *row = &action->connection;
    struct refusal refusal;

    if (result->outcome == STORE_DONE) {
        accepted(action, "connection accepted");
    } else if (result->outcome == STORE_CONFLICT &&
               rules_connect(action->core->mesh, row->source, row->outbound, row->target,
                             row->inbound, &refusal) != 0) {
        /* Another request was quicker; the model knows of it by now, and tells why. */
        reply_refusal(action->reply, &refusal);
    } else {
        action_failed(action->reply, result);
    }
    free(action);
}

void action_connect(struct core *core, struct reply *reply, const char *source,
                    const char *outbound, const char *target, const char *inbound)
{
    struct store_change changes[3];
    struct refusal refusal;
    struct action *action;

    if (rules_connect(core->mesh, source, outbound, target, inbound, &refusal) != 0) {
        reply_refusal(reply, &refusal);
        return;
    }
    action = action_new(core, reply);
    model_connection_id_make(action->connection.id);
    model_name_set(action->connection.source, source);
    model_name_set(action->connection.outbound, outbound);
    model_name_set(action->connection.target, target);
    model_name_set(action->connection.inbound, inbound);
    action->connection.created_at = time_now_ms();
    changes[0] = unchanged(mesh_instance(core->mesh, source));
    changes[1] = unchanged(mesh_instance(core->mesh, target));
    changes[2] = put_connection(&action->connection);
    core_commit(core, changes, 3, on_connected, action);
}

static void on_disconnected(void *argument, const struct store_result *result)
{
    struct action *action = argument;

    const struct core *core = action->core;
    struct refusal refusal;

    if (result->outcome == STORE_DONE) {
        accepted(action, "connection removed");
    } else if (result->outcome == STORE_CONFLICT &&
               rules_disconnect(core->mesh, action->connection.id, action->confirmed, &refusal) !=
                   0) {
        reply_refusal(action->reply, &refusal);
    } else {
        action_failed(action->reply, result);
    }
    free(action);
}

void action_disconnect(struct core *core, struct reply *reply, const char *id, bool confirmed)
{
    struct store_change change;
    struct refusal refusal;
    struct action *action;

    if (rules_disconnect(core->mesh, id, confirmed, &refusal) != 0) {
        reply_refusal(reply, &refusal);
        return;
    }
    action = action_new(core, reply);
    action->connection = *mesh_connection(core->mesh, id);
    action->connection.removing = true;
    action->confirmed = confirmed;
    change = put_connection(&action->connection);
    core_commit(core, &change, 1, on_disconnected, action);
}

/* ---- the end of connections, and of instances ---- */

static void on_instance_gone(void *argument, const struct store_result *result)
{
    struct action *action = argument;

    if (result->outcome == STORE_DONE) {
        log_info("instance removed", LOG_S("instance", action->instance));
    }
    free(action);
}

static void mark(struct core *core, const struct model_connection *connection)
{
    struct model_connection row = *connection;
    struct store_change change = put_connection(&row);

    if (!row.removing) {
        row.removing = true;
        core_commit(core, &change, 1, NULL, NULL);
    }
}

/* Marks those that lead from or to it and are not marked yet: one may have been accepted in the
 * same moment as the removal. Returns how many connections there are. */
static unsigned mark_connections(struct core *core, const char *name)
{
    const struct model_connection *at = NULL;
    unsigned count = 0;

    while ((at = mesh_next_from(core->mesh, name, at))) {
        mark(core, at);
        count++;
    }
    while ((at = mesh_next_to(core->mesh, name, NULL, at))) {
        mark(core, at);
        count++;
    }
    return count;
}

void action_finish_removal(struct core *core, const char *name)
{
    const struct model_instance *instance = mesh_instance(core->mesh, name);
    struct store_change change = {
        .act = STORE_DELETE, .kind = STORE_INSTANCE, .row.instance = instance};
    struct action *action;

    if (!instance || !instance->removing || mark_connections(core, name) > 0) {
        return;
    }
    change.expected = instance->revision;
    action = action_new(core, NULL);
    model_name_set(action->instance, name);
    core_commit(core, &change, 1, on_instance_gone, action);
}

static void on_released(void *argument, const struct store_result *result)
{
    struct action *action = argument;

    if (result->outcome == STORE_DONE) {
        log_info("connection gone", LOG_S("id", action->connection.id),
                 LOG_S("source", action->connection.source),
                 LOG_S("outbound", action->connection.outbound));
        action_finish_removal(action->core, action->connection.source);
        action_finish_removal(action->core, action->connection.target);
    }
    free(action);
}

void action_release(struct core *core, const struct model_connection *connection)
{
    struct action *action = action_new(core, NULL);
    struct store_change change = {.act = STORE_DELETE,
                                  .kind = STORE_CONNECTION,
                                  .expected = connection->revision,
                                  .row.connection = connection};

    action->connection = *connection;
    core_commit(core, &change, 1, on_released, action);
}

/* ---- instances ---- */

static void on_applied(void *argument, const struct store_result *result)
{
    struct action *action = argument;
    const struct core *core = action->core;

    if (result->outcome == STORE_DONE) {
        log_info("instance applied", LOG_S("instance", action->instance));
        reply_json(action->reply, action->is_new ? 201 : 200,
                   forms_instance(&core->forms, mesh_instance(core->mesh, action->instance)));
    } else {
        action_failed(action->reply, result);
    }
    free(action);
}

void action_apply(struct core *core, struct reply *reply, struct model_instance *instance)
{
    const struct model_instance *old = mesh_instance(core->mesh, instance->name);
    struct store_change change = put_instance(instance, old ? old->revision : 0);
    struct refusal refusal;

    if (rules_replace_instance(core->mesh, instance, &refusal) != 0) {
        reply_refusal(reply, &refusal);
    } else {
        struct action *action = action_new(core, reply);
        model_name_set(action->instance, instance->name);
        action->is_new = !old;
        instance->created_at = old ? old->created_at : time_now_ms() / 1000;
        core_commit(core, &change, 1, on_applied, action);
    }
    model_instance_free(instance);
}

static bool is_connected(const struct core *core, const char *instance,
                         const struct model_interface *interface)
{
    return interface->direction == MODEL_OUTBOUND
               ? mesh_connection_of(core->mesh, instance, interface->name) != NULL
               : mesh_next_to(core->mesh, instance, interface->name, NULL) != NULL;
}

/* The row that a declaration makes: where an outbound listens is the replica's own affair, and what
 * is connected stays until it is not. */
static struct model_instance *row_of(const struct core *core, const struct model_instance *old,
                                     const struct model_instance *declared)
{
    struct model_instance *row = model_instance_copy(declared);

    row->created_at = old->created_at;
    for (unsigned i = 0; i < row->interface_count; i++) {
        if (row->interfaces[i].direction == MODEL_OUTBOUND) {
            row->interfaces[i].port = 0;
        }
    }
    for (unsigned i = 0; i < old->interface_count; i++) {
        const struct model_interface *kept = &old->interfaces[i];
        if (row->interface_count < MODEL_INTERFACES_MAX && !model_interface_find(row, kept->name) &&
            is_connected(core, old->name, kept)) {
            *model_interface_add(row, kept->name, kept->direction) = *kept;
        }
    }
    return row;
}

void action_declare(struct core *core, const struct model_instance *declared)
{
    const struct model_instance *old = mesh_instance(core->mesh, declared->name);
    struct model_instance *row;
    struct refusal refusal;

    if (!old || old->applied || old->removing) {
        return;
    }
    row = row_of(core, old, declared);
    if (!model_interfaces_equal(old, row) &&
        rules_replace_instance(core->mesh, row, &refusal) == 0) {
        const struct store_change change = put_instance(row, old->revision);
        core_commit(core, &change, 1, NULL, NULL);
    }
    model_instance_free(row);
}

static void on_removal(void *argument, const struct store_result *result)
{
    struct action *action = argument;
    struct core *core = action->core;
    const struct model_connection *at = NULL;
    json_t *connections;

    if (result->outcome == STORE_CONFLICT) {
        /* A connection has changed meanwhile: asked anew, the rules, or the store, may agree. */
        action_remove_instance(core, action->reply, action->instance, action->confirmed);
        free(action);
        return;
    }
    if (result->outcome != STORE_DONE) {
        action_failed(action->reply, result);
        free(action);
        return;
    }
    log_info("instance is being removed", LOG_S("instance", action->instance));
    connections = json_array();
    while ((at = mesh_next_from(core->mesh, action->instance, at))) {
        json_array_append_new(connections, json_string(at->id));
    }
    while ((at = mesh_next_to(core->mesh, action->instance, NULL, at))) {
        json_array_append_new(connections, json_string(at->id));
    }
    reply_json(action->reply, 202,
               json_pack("{s:s, s:o}", "name", action->instance, "connections", connections));
    action_finish_removal(core, action->instance);
    free(action);
}

/* Whoever holds a token of the instance's may not bring it back. */
static unsigned delete_tokens(const struct core *core, const char *instance,
                              struct store_change *changes)
{
    const struct model_token *at = mesh_next_token(core->mesh, NULL);
    unsigned count = 0;

    for (; at; at = mesh_next_token(core->mesh, at->id)) {
        if (strcmp(at->instance, instance) == 0) {
            changes[count++] = (struct store_change){
                .act = STORE_DELETE, .kind = STORE_TOKEN, .expected = STORE_ANY, .row.token = at};
        }
    }
    return count;
}

/* Marks the instance, and all its connections that are not marked yet, in one commit. */
void action_remove_instance(struct core *core, struct reply *reply, const char *name,
                            bool confirmed)
{
    const struct model_connection *at = NULL;
    struct model_connection *rows = NULL;
    struct model_instance *instance;
    struct store_change *changes;
    struct refusal refusal;
    struct action *action;
    unsigned count = 0;

    if (rules_remove_instance(core->mesh, name, confirmed, &refusal) != 0) {
        reply_refusal(reply, &refusal);
        return;
    }
    rows = memory_zalloc((mesh_connection_count(core->mesh) + 1) * sizeof *rows);
    while ((at = mesh_next_from(core->mesh, name, at))) {
        rows[count] = *at;
        count += !at->removing;
    }
    while ((at = mesh_next_to(core->mesh, name, NULL, at))) {
        rows[count] = *at;
        count += !at->removing;
    }
    instance = model_instance_copy(mesh_instance(core->mesh, name));
    instance->removing = true;
    changes = memory_zalloc((count + 1 + mesh_token_count(core->mesh)) * sizeof *changes);
    changes[0] = put_instance(instance, instance->revision);
    for (unsigned i = 0; i < count; i++) {
        rows[i].removing = true;
        changes[i + 1] = put_connection(&rows[i]);
    }
    count += 1 + delete_tokens(core, name, changes + count + 1);
    action = action_new(core, reply);
    model_name_set(action->instance, name);
    action->confirmed = confirmed;
    core_commit(core, changes, count, on_removal, action);
    model_instance_free(instance);
    free(changes);
    free(rows);
}
