#include <stdlib.h>
#include <string.h>

#include "api_routes.h"
#include "appnet/base/log.h"
#include "appnet/registry/descriptor.h"

static const char *caller_of(const struct api_call *call)
{
    return call->request->peer->instance;
}

static json_t *body_of(struct reply *reply, const struct api_call *call)
{
    json_error_t where;
    json_t *body =
        json_loadb(call->request->body, call->request->body_size, JSON_REJECT_DUPLICATES, &where);

    if (!json_is_object(body)) {
        json_decref(body);
        reply_problem(reply, 422, "malformed", "the body: expected a JSON object", NULL);
        return NULL;
    }
    return body;
}

/* ---- identity ---- */

void api_enrol(struct api *api, struct reply *reply, const struct api_call *call)
{
    json_t *body;
    const char *token;
    const char *request;

    if (!call->request->secure) {
        reply_problem(reply, 403, "not-secure",
                      "joining goes over TLS, at the registry's tls_listen address", NULL);
        return;
    }
    body = body_of(reply, call);
    if (!body) {
        return;
    }
    token = json_string_value(json_object_get(body, "token"));
    request = json_string_value(json_object_get(body, "csr"));
    if (token && request) {
        enrolment_enrol(api->enrolment, reply, token, request, call->request->client);
    } else {
        reply_problem(reply, 422, "malformed", "expected token and csr, both strings", NULL);
    }
    json_decref(body);
}

void api_renew(struct api *api, struct reply *reply, const struct api_call *call)
{
    json_t *body = body_of(reply, call);
    const char *request;

    if (!body) {
        return;
    }
    request = json_string_value(json_object_get(body, "csr"));
    if (request) {
        enrolment_renew(api->enrolment, reply, caller_of(call), request);
    } else {
        reply_problem(reply, 422, "malformed", "expected csr, a string", NULL);
    }
    json_decref(body);
}

/* ---- watch and report ---- */

static struct replica *replica_of(const struct api *api, struct reply *reply,
                                  const struct api_call *call, const char *id)
{
    struct replica *replica;

    if (!id || !replica_id_valid(id)) {
        reply_problem(reply, 422, "malformed", "replica: expected 16 of a-z and 0-9", NULL);
        return NULL;
    }
    replica = presence_replica(api->core->presence, caller_of(call), id);
    if (!replica) {
        reply_problem(reply, 429, "too-many-replicas",
                      "this instance has as many replicas as the registry takes", NULL);
    }
    return replica;
}

void api_watch(struct api *api, struct reply *reply, const struct api_call *call)
{
    char id[REPLICA_ID_SIZE];
    char view[64];
    bool has_view = api_query(call, "view", view, sizeof view);
    struct replica *replica =
        replica_of(api, reply, call, api_query(call, "replica", id, sizeof id) ? id : NULL);
    struct http_exchange *exchange = replica ? reply_release(reply) : NULL;

    if (exchange) {
        feed_watch(api->core->feed, exchange, replica, has_view ? view : NULL);
    }
}

/* Whether it is the replica that came last of those that are there: the newest version, while an
 * application is being replaced. */
static bool is_newest(const struct api *api, const struct replica *replica)
{
    while ((replica = presence_next(api->core->presence, replica->instance, replica))) {
        if (replica->live && replica->declared) {
            return false;
        }
    }
    return true;
}

/* What a replica offers. One that does not fit together is as good as none. Looked at with every
 * report: what stood in the way of a change the last time may be gone. */
static void declare(struct api *api, struct replica *replica, const json_t *report)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *declared =
        descriptor_read_declaration(replica->instance, json_object_get(report, "inbounds"),
                                    json_object_get(report, "outbounds"), &problems);

    if (!declared) {
        log_warn("declaration refused", LOG_S("instance", replica->instance),
                 LOG_S("replica", replica->id), LOG_S("detail", problems.sentences[0]));
        problems_clear(&problems);
        return;
    }
    presence_declare(replica, declared);
    if (is_newest(api, replica)) {
        action_declare(api->core, declared);
    }
}

/* Those who dial this instance are told where it is now. */
static void tell_sources(struct core *core, const char *instance)
{
    const struct model_connection *at = NULL;

    while ((at = mesh_next_to(core->mesh, instance, NULL, at))) {
        feed_touch(core->feed, at->source);
    }
}

/* Nothing else says how much flows: a connection's state is the same whether it is used or not. */
static void tell_of_traffic(struct core *core, const struct replica *replica)
{
    if (!events_are_of_traffic(core->events)) {
        return;
    }
    for (unsigned i = 0; i < replica->report_count; i++) {
        const struct replica_report *report = &replica->reports[i];
        const struct model_connection *connection =
            report->moved ? mesh_connection(core->mesh, report->id) : NULL;
        if (connection && strcmp(connection->source, replica->instance) == 0) {
            events_tell_traffic(core->events, forms_traffic(&core->forms, connection));
        }
    }
}

/* What an instance's form shows of a replica. */
static bool shows_the_same(const struct replica *a, const struct replica *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->version, b->version) == 0 &&
           strcmp(a->certificate_not_after, b->certificate_not_after) == 0;
}

void api_report(struct api *api, struct reply *reply, const struct api_call *call)
{
    struct core *core = api->core;
    json_t *report = body_of(reply, call);
    struct error err = ERROR_INIT;
    struct replica *replica;
    struct replica before; /* only its texts are looked at */

    if (!report) {
        return;
    }
    replica = replica_of(api, reply, call, json_string_value(json_object_get(report, "replica")));
    if (!replica) {
        json_decref(report);
        return;
    }
    before = *replica;
    if (presence_report(replica, report, &err) != 0) {
        reply_problem(reply, 422, "malformed", err.text, NULL);
        json_decref(report);
        return;
    }
    if (!shows_the_same(&before, replica)) {
        events_publish(core->events, "instance",
                       forms_instance(&core->forms, mesh_instance(core->mesh, replica->instance)));
    }
    declare(api, replica, report);
    if (strcmp(before.address, replica->address) != 0) {
        tell_sources(core, replica->instance);
    }
    standings_look_at(core->standings, replica->instance);
    tell_of_traffic(core, replica);
    reply_json(reply, 200, json_pack("{s:I}", "revision", (json_int_t)core->revision));
    json_decref(report);
}
