#include "appnet/registry/api.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_routes.h"
#include "appnet/base/address.h"
#include "appnet/base/memory.h"
#include "appnet/registry/page.h"

/* At signing in. */
#define GUESSES_BURST 20
#define GUESSES_PER_SECOND 1

/* Who may call. A sidecar is known by its certificate, everybody else by a token, or by the cookie
 * that a browser got for one. */
#define ANYBODY ROLE_NONE
enum caller { CALLER_TOKEN, CALLER_SIDECAR };

struct route {
    const char *method;
    const char *path; /* segments, * for a name */
    enum caller caller;
    enum role role;
    void (*serve)(struct api *api, struct reply *reply, const struct api_call *call);
};

static const struct route routes[] = {
    {"GET", "/healthz", CALLER_TOKEN, ANYBODY, api_healthz},
    {"GET", "/readyz", CALLER_TOKEN, ANYBODY, api_readyz},
    {"GET", "/metrics", CALLER_TOKEN, ROLE_VIEWER, api_metrics},
    {"GET", "/v1/instances", CALLER_TOKEN, ROLE_VIEWER, api_list_instances},
    {"GET", "/v1/instances/*", CALLER_TOKEN, ROLE_VIEWER, api_show_instance},
    {"PUT", "/v1/instances/*", CALLER_TOKEN, ROLE_ADMIN, api_apply_instance},
    {"DELETE", "/v1/instances/*", CALLER_TOKEN, ROLE_ADMIN, api_remove_instance},
    {"GET", "/v1/interfaces/inbound/available", CALLER_TOKEN, ROLE_VIEWER, api_list_inbounds},
    {"GET", "/v1/interfaces/outbound/available", CALLER_TOKEN, ROLE_VIEWER, api_list_outbounds},
    {"GET", "/v1/connections", CALLER_TOKEN, ROLE_VIEWER, api_list_connections},
    {"POST", "/v1/connections", CALLER_TOKEN, ROLE_OPERATOR, api_connect},
    {"GET", "/v1/connections/*", CALLER_TOKEN, ROLE_VIEWER, api_show_connection},
    {"DELETE", "/v1/connections/*", CALLER_TOKEN, ROLE_OPERATOR, api_disconnect},
    {"GET", "/v1/join-tokens", CALLER_TOKEN, ROLE_OPERATOR, api_list_tokens},
    {"POST", "/v1/join-tokens", CALLER_TOKEN, ROLE_OPERATOR, api_make_token},
    {"GET", "/v1/join-tokens/*", CALLER_TOKEN, ROLE_OPERATOR, api_show_token},
    {"DELETE", "/v1/join-tokens/*", CALLER_TOKEN, ROLE_OPERATOR, api_revoke_token},
    {"GET", "/v1/events", CALLER_TOKEN, ROLE_VIEWER, api_events},
    {"POST", "/v1/session", CALLER_TOKEN, ANYBODY, api_sign_in},
    {"GET", "/v1/session", CALLER_TOKEN, ROLE_VIEWER, api_show_session},
    {"DELETE", "/v1/session", CALLER_TOKEN, ROLE_VIEWER, api_sign_out},
    {"POST", "/v1/enroll", CALLER_TOKEN, ANYBODY, api_enrol},
    {"POST", "/v1/renew", CALLER_SIDECAR, ROLE_NONE, api_renew},
    {"GET", "/v1/sidecar/watch", CALLER_SIDECAR, ROLE_NONE, api_watch},
    {"POST", "/v1/sidecar/report", CALLER_SIDECAR, ROLE_NONE, api_report},
};

#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

/* ---- paths and queries ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Takes %XX away (RFC 3986, section 2.1), from text of `length`; false: it is malformed, has a zero
 * in it, or is too long. */
static bool decode(const char *text, size_t length, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            if (i + 2 >= length || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) {
                return false;
            }
            c = hex(text[i + 1]) * 16 + hex(text[i + 2]);
            i += 2;
        }
        if (c == '\0' || used + 1 >= size) {
            return false;
        }
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return true;
}

bool api_query(const struct api_call *call, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    const char *at = call->request->query;

    while (*at != '\0') {
        size_t part = strcspn(at, "&");
        if (part > length && strncmp(at, name, length) == 0 && at[length] == '=') {
            return decode(at + length + 1, part - length - 1, out, size);
        }
        at += part + (at[part] == '&');
    }
    return false;
}

bool api_query_true(const struct api_call *call, const char *name)
{
    char value[8];

    return api_query(call, name, value, sizeof value) && strcmp(value, "true") == 0;
}

/* Whether the path is this pattern's; the name in it goes to `call`. */
static bool matches(const char *pattern, const char *path, struct api_call *call)
{
    while (*pattern != '\0') {
        size_t want = strcspn(pattern + 1, "/") + 1;
        size_t have;
        if (*path != '/') {
            return false;
        }
        have = strcspn(path + 1, "/") + 1;
        if (pattern[1] == '*') {
            if (!decode(path + 1, have - 1, call->name, sizeof call->name) ||
                call->name[0] == '\0') {
                return false;
            }
        } else if (want != have || strncmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return *path == '\0';
}

/* ---- doors ---- */

/* A page of somebody else's, whose name was made to lead here, shows by its Host header (DNS
 * rebinding). */
static bool host_is_ours(const struct api *api, const char *host)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *own = api->settings->http_listen.host;
    size_t length;

    if (!host) {
        return false;
    }
    length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        if (strlen(local[i]) == length && strncasecmp(local[i], host, length) == 0) {
            return true;
        }
    }
    return strlen(own) == length && strncasecmp(own, host, length) == 0;
}

static void refuse_stranger(struct reply *reply, const struct api_call *call)
{
    reply_header(reply, "WWW-Authenticate", "Bearer realm=\"appnet\"");
    if (!call->authorization && call->session[0] != '\0') {
        reply_problem(reply, 401, "unauthenticated", "this session has ended", "sign in again");
        return;
    }
    reply_problem(reply, 401, "unauthenticated",
                  call->authorization ? "this token is not one of the registry's"
                                      : "there is no token with the request",
                  "give one of the token files in the registry's data_dir: --token-file FILE");
}

static bool may_call(const struct api *api, const struct route *route, struct reply *reply,
                     struct api_call *call)
{
    const struct spiffe_id *peer = call->request->peer;

    if (route->caller == CALLER_SIDECAR) {
        if (!peer || peer->instance[0] == '\0') {
            reply_problem(reply, 403, "not-a-sidecar",
                          "this is for sidecars, who show the certificate of an instance", NULL);
            return false;
        }
        if (!mesh_instance(api->core->mesh, peer->instance)) {
            reply_problem(reply, 403, "instance-removed",
                          "this instance is not known here: it was removed, or never joined",
                          "join again, with a new token: appnet token create --instance NAME");
            return false;
        }
        return true;
    }
    api_find_role(api, call);
    if (api_is_cross_site(call)) {
        api_refuse_cross_site(reply);
        return false;
    }
    if (call->role >= route->role) {
        return true;
    }
    if (call->role == ROLE_NONE) {
        refuse_stranger(reply, call);
    } else {
        struct error detail;
        error_set(&detail, "this takes the role %s, and the %s has the role %s",
                  role_text(route->role), call->authorization ? "token" : "session",
                  role_text(call->role));
        reply_problem(reply, 403, "forbidden", detail.text, NULL);
    }
    return false;
}

static void refuse_method(struct reply *reply, const char *allowed)
{
    reply_header(reply, "Allow", allowed);
    reply_problem(reply, 405, "method-not-allowed", "this path has other methods", NULL);
}

static void serve(void *argument, struct http_exchange *exchange)
{
    struct api *api = argument;
    const struct http_request *request = http_exchange_request(exchange);
    struct api_call call = {.request = request,
                            .authorization = http_exchange_header(exchange, "authorization"),
                            .cookie = http_exchange_header(exchange, "cookie"),
                            .last_event_id = http_exchange_header(exchange, "last-event-id"),
                            .host = http_exchange_header(exchange, "host"),
                            .origin = http_exchange_header(exchange, "origin"),
                            .fetch_site = http_exchange_header(exchange, "sec-fetch-site")};
    const struct page_file *file = page_find(&page_built_in, request->path);
    bool host_is_good = request->secure || host_is_ours(api, call.host);
    struct reply *reply;
    char allowed[64] = "";

    if (file && host_is_good && strcmp(request->method, "GET") == 0) {
        page_serve(file, exchange);
        return;
    }
    reply = reply_new(exchange);
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "X-Content-Type-Options", "nosniff");
    if (!host_is_good) {
        reply_problem(reply, 421, "wrong-host", "the Host header names another host than this one",
                      NULL);
        return;
    }
    if (file) {
        refuse_method(reply, "GET");
        return;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &routes[i];
        if (!matches(route->path, request->path, &call)) {
            continue;
        }
        if (strcmp(route->method, request->method) == 0) {
            if (may_call(api, route, reply, &call)) {
                route->serve(api, reply, &call);
            }
            return;
        }
        snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), "%s%s",
                 allowed[0] ? ", " : "", route->method);
    }
    if (allowed[0] != '\0') {
        refuse_method(reply, allowed);
    } else {
        reply_problem(reply, 404, "not-found", "there is nothing at this path", NULL);
    }
}

struct api *api_new(struct core *core, const struct settings *settings, const struct auth *auth,
                    struct sessions *sessions, struct enrolment *enrolment)
{
    struct api *api = memory_zalloc(sizeof *api);

    api->core = core;
    api->settings = settings;
    api->auth = auth;
    api->sessions = sessions;
    api->enrolment = enrolment;
    api->guesses = (struct rate_limit)RATE_LIMIT_INIT(GUESSES_BURST, GUESSES_PER_SECOND);
    return api;
}

void api_free(struct api *api)
{
    free(api);
}

struct http_handler api_handler(struct api *api)
{
    return (struct http_handler){.serve = serve, .argument = api};
}
