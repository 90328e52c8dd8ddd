#include <string.h>

#include "api_routes.h"
#include "appnet/base/duration.h"
#include "appnet/base/name.h"
#include "appnet/identity/join_token.h"
#include "appnet/registry/descriptor.h"

static void malformed(struct reply *reply, const char *detail)
{
    reply_problem(reply, 422, "malformed", detail, NULL);
}

json_t *api_body(struct reply *reply, const struct api_call *call, const char *const *known)
{
    json_error_t where;
    struct error detail;
    json_t *body =
        json_loadb(call->request->body, call->request->body_size, JSON_REJECT_DUPLICATES, &where);
    const char *key;
    json_t *value;

    if (!body) {
        error_set(&detail, "the body is not JSON: %s, in line %d", where.text, where.line);
        malformed(reply, detail.text);
        return NULL;
    }
    if (!json_is_object(body)) {
        malformed(reply, "the body: expected an object");
        json_decref(body);
        return NULL;
    }
    json_object_foreach(body, key, value)
    {
        const char *const *at = known;
        while (*at && strcmp(*at, key) != 0) {
            at++;
        }
        if (!*at) {
            error_set(&detail, "%.64s: there is no such field", key);
            malformed(reply, detail.text);
            json_decref(body);
            return NULL;
        }
    }
    return body;
}

/* ---- instances ---- */

void api_list_instances(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)call;
    reply_json(reply, 200, forms_instances(&api->core->forms, api->core->revision));
}

static const struct model_instance *find_instance(const struct api *api, struct reply *reply,
                                                  const char *name)
{
    const struct model_instance *instance =
        name_valid(name, strlen(name)) ? mesh_instance(api->core->mesh, name) : NULL;

    if (!instance) {
        reply_problem(reply, 404, RULE_INSTANCE_UNKNOWN, "there is no instance of that name",
                      "list them: appnet instance list");
    }
    return instance;
}

void api_show_instance(struct api *api, struct reply *reply, const struct api_call *call)
{
    const struct model_instance *instance = find_instance(api, reply, call->name);

    if (instance) {
        reply_json(reply, 200, forms_instance(&api->core->forms, instance));
    }
}

void api_apply_instance(struct api *api, struct reply *reply, const struct api_call *call)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance;

    if (!name_valid(call->name, strlen(call->name))) {
        reply_problem(reply, 422, RULE_NAME_INVALID, "instance: expected " NAME_EXPECTED, NULL);
        return;
    }
    instance =
        descriptor_parse(call->name, call->request->body, call->request->body_size, &problems);
    if (instance) {
        action_apply(api->core, reply, instance);
    } else {
        reply_problems(reply, 422, RULE_DESCRIPTOR_INVALID,
                       "the descriptor does not fit together; nothing was changed", &problems);
    }
}

void api_remove_instance(struct api *api, struct reply *reply, const struct api_call *call)
{
    if (find_instance(api, reply, call->name)) {
        action_remove_instance(api->core, reply, call->name, api_query_true(call, "force"));
    }
}

/* ---- interfaces ---- */

void api_list_inbounds(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)call;
    reply_json(reply, 200, forms_available(&api->core->forms, MODEL_INBOUND, api->core->revision));
}

void api_list_outbounds(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)call;
    reply_json(reply, 200, forms_available(&api->core->forms, MODEL_OUTBOUND, api->core->revision));
}

/* ---- connections ---- */

void api_list_connections(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)call;
    reply_json(reply, 200, forms_connections(&api->core->forms, api->core->revision));
}

void api_connect(struct api *api, struct reply *reply, const struct api_call *call)
{
    static const char *const fields[] = {"source_instance", "outbound", "target_instance",
                                         "inbound", NULL};
    json_t *body = api_body(reply, call, fields);
    const char *names[4];
    struct error detail;

    if (!body) {
        return;
    }
    for (int i = 0; fields[i]; i++) {
        names[i] = json_string_value(json_object_get(body, fields[i]));
        if (!names[i] || !name_valid(names[i], strlen(names[i]))) {
            error_set(&detail, "%s: expected " NAME_EXPECTED, fields[i]);
            reply_problem(reply, 422, RULE_NAME_INVALID, detail.text, NULL);
            json_decref(body);
            return;
        }
    }
    action_connect(api->core, reply, names[0], names[1], names[2], names[3]);
    json_decref(body);
}

static const struct model_connection *find_connection(const struct api *api, struct reply *reply,
                                                      const char *id)
{
    const struct model_connection *connection =
        model_connection_id_valid(id) ? mesh_connection(api->core->mesh, id) : NULL;

    if (!connection) {
        reply_problem(reply, 404, RULE_CONNECTION_UNKNOWN, "there is no connection of that id",
                      "list them: appnet list");
    }
    return connection;
}

void api_show_connection(struct api *api, struct reply *reply, const struct api_call *call)
{
    const struct model_connection *connection = find_connection(api, reply, call->name);

    if (connection) {
        reply_json(reply, 200, forms_connection(&api->core->forms, connection));
    }
}

void api_disconnect(struct api *api, struct reply *reply, const struct api_call *call)
{
    if (find_connection(api, reply, call->name)) {
        action_disconnect(api->core, reply, call->name, api_query_true(call, "confirm_required"));
    }
}

/* ---- join tokens ---- */

void api_list_tokens(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)call;
    reply_json(reply, 200, forms_tokens(&api->core->forms, api->core->revision));
}

/* A whole number in its bounds, or `fallback` when it is not there; false: it is something else. */
static bool read_number(const json_t *body, const char *key, int64_t fallback, int64_t most,
                        int64_t *out)
{
    const json_t *value = json_object_get(body, key);

    *out = value ? json_integer_value(value) : fallback;
    return (!value || json_is_integer(value)) && *out >= 1 && *out <= most;
}

void api_make_token(struct api *api, struct reply *reply, const struct api_call *call)
{
    static const char *const fields[] = {"instance", "ttl", "uses", NULL};
    json_t *body = api_body(reply, call, fields);
    const char *instance;
    struct error detail;
    int64_t ttl;
    int64_t uses;

    if (!body) {
        return;
    }
    instance = json_string_value(json_object_get(body, "instance"));
    if (!instance || !name_valid(instance, strlen(instance))) {
        reply_problem(reply, 422, RULE_NAME_INVALID, "instance: expected " NAME_EXPECTED, NULL);
    } else if (!read_number(body, "ttl", ENROLMENT_TTL_SECONDS, ENROLMENT_TTL_MAX, &ttl)) {
        error_set(&detail, "ttl: expected a number of seconds from 1 to %d", ENROLMENT_TTL_MAX);
        malformed(reply, detail.text);
    } else if (!read_number(body, "uses", 1, ENROLMENT_USES_MAX, &uses)) {
        error_set(&detail, "uses: expected a number from 1 to %d", ENROLMENT_USES_MAX);
        malformed(reply, detail.text);
    } else {
        enrolment_make_token(api->enrolment, reply, instance, ttl, uses);
    }
    json_decref(body);
}

void api_show_token(struct api *api, struct reply *reply, const struct api_call *call)
{
    const struct model_token *token =
        join_token_id_valid(call->name) ? mesh_token(api->core->mesh, call->name) : NULL;

    if (token) {
        reply_json(reply, 200, forms_token(token));
    } else {
        reply_problem(reply, 404, "token-unknown", "there is no join token of that id",
                      "list them: appnet token list");
    }
}

void api_revoke_token(struct api *api, struct reply *reply, const struct api_call *call)
{
    enrolment_revoke_token(api->enrolment, reply,
                           join_token_id_valid(call->name) ? call->name : "");
}

/* ---- events ---- */

void api_events(struct api *api, struct reply *reply, const struct api_call *call)
{
    struct http_exchange *exchange = reply_release(reply);
    const char *session = call->authorization ? NULL : call->session;

    if (exchange && !events_listen(api->core->events, exchange, call->last_event_id, session,
                                   api_query_true(call, "traffic"))) {
        reply_problem(reply_new(exchange), 503, "too-many-listeners",
                      "as many listen to events as the registry takes", "try again later");
    }
}
