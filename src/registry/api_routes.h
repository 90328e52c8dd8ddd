/* What the API's routes do, one function each: api.c has the table. Private to the registry. */
#ifndef APPNET_REGISTRY_API_ROUTES_H
#define APPNET_REGISTRY_API_ROUTES_H

#include "appnet/base/rate_limit.h"
#include "appnet/registry/actions.h"
#include "appnet/registry/api.h"
#include "core.h"

struct api {
    struct core *core;
    const struct auth *auth;
    struct enrolment *enrolment;
    struct sessions *sessions;
    const struct settings *settings;
    struct rate_limit guesses; /* wrong ones at signing in */
};

/* One request. */
struct api_call {
    const struct http_request *request;
    const char *authorization, *cookie, *last_event_id; /* headers; NULL: not there */
    const char *host, *origin, *fetch_site;
    char name[256]; /* the part of the path that names something */
    enum role role;
    char session[SESSIONS_TEXT_SIZE]; /* of the cookie, good or not; empty: there is none */
};

/* The value of a query parameter; false: it is not there, or malformed. */
bool api_query(const struct api_call *call, const char *name, char *out, size_t size);
bool api_query_true(const struct api_call *call, const char *name);

typedef void api_route(struct api *api, struct reply *reply, const struct api_call *call);

/* people.c: those with a token */
api_route api_list_instances, api_show_instance, api_apply_instance, api_remove_instance;
api_route api_list_inbounds, api_list_outbounds;
api_route api_list_connections, api_connect, api_show_connection, api_disconnect;
api_route api_list_tokens, api_make_token, api_show_token, api_revoke_token;
api_route api_events;

/* api_session.c: those with a browser */
api_route api_sign_in, api_show_session, api_sign_out;

/* api_sidecar.c: sidecars */
api_route api_enrol, api_renew, api_watch, api_report;

/* api_health.c: whoever looks after the registry */
api_route api_healthz, api_readyz, api_metrics;

/* Sets the call's role: that of its Authorization, or else of its session. */
void api_find_role(const struct api *api, struct api_call *call);

/* Whether somebody else's page had the browser of a person who has signed in send this: whatever
 * changes something must come from the page that is served here. */
bool api_is_cross_site(const struct api_call *call);
void api_refuse_cross_site(struct reply *reply);

/* The request's body as an object; NULL: it is none, and the reply is answered. Fields other than
 * `known` (NULL at the end; NULL itself: any) are refused by name. */
json_t *api_body(struct reply *reply, const struct api_call *call, const char *const *known);

#endif
