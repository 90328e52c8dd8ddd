#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api_routes.h"
#include "appnet/base/log.h"
#include "appnet/base/secret.h"
#include "config.h"

#define COOKIE "appnet_session_"
#define COOKIE_SIZE 256
#define CLEAN "; Path=/; HttpOnly; SameSite=Strict; Max-Age="

/* ---- who asks ---- */

/* Each door has a cookie of its own, and so has each registry of a machine: browsers do not tell
 * ports apart. */
static void name_cookie(const struct api *api, const struct api_call *call, char *out, size_t size)
{
    const struct address *at =
        call->request->secure ? &api->settings->tls_listen : &api->settings->http_listen;

    snprintf(out, size, COOKIE "%u", (unsigned)at->port);
}

/* RFC 6265, section 4.2. Empty: there is none. */
static void find_cookie(const struct api *api, const struct api_call *call,
                        char out[SESSIONS_TEXT_SIZE])
{
    char name[sizeof COOKIE + 8];
    const char *at = call->cookie;
    size_t length;

    out[0] = '\0';
    name_cookie(api, call, name, sizeof name);
    length = strlen(name);
    while (at && *at) {
        size_t part;
        at += strspn(at, "; \t");
        part = strcspn(at, ";");
        if (part > length && strncmp(at, name, length) == 0 && at[length] == '=' &&
            part - length - 1 < SESSIONS_TEXT_SIZE) {
            memcpy(out, at + length + 1, part - length - 1);
            out[part - length - 1] = '\0';
            return;
        }
        at += part;
    }
}

/* A browser says where a request comes from (Fetch Metadata). What another site, or another port of
 * this host, has it send is none of the person's who has signed in. */
static bool is_from_elsewhere(const struct api_call *call)
{
    return call->fetch_site && strcmp(call->fetch_site, "same-origin") != 0 &&
           strcmp(call->fetch_site, "none") != 0;
}

/* Whether the page that had the browser send it is ours (RFC 6454, section 7). */
static bool is_from_our_page(const struct api_call *call)
{
    const char *scheme = call->request->secure ? "https://" : "http://";
    size_t length = strlen(scheme);

    return call->origin && call->host && strncmp(call->origin, scheme, length) == 0 &&
           strcasecmp(call->origin + length, call->host) == 0;
}

void api_find_role(const struct api *api, struct api_call *call)
{
    if (call->authorization) {
        call->role = auth_role(api->auth, call->authorization);
        return;
    }
    if (is_from_elsewhere(call) && strcmp(call->request->method, "GET") == 0) {
        return;
    }
    find_cookie(api, call, call->session);
    call->role = sessions_role(api->sessions, call->session, time(NULL));
}

bool api_is_cross_site(const struct api_call *call)
{
    return !call->authorization && call->role != ROLE_NONE &&
           strcmp(call->request->method, "GET") != 0 && !is_from_our_page(call);
}

void api_refuse_cross_site(struct reply *reply)
{
    reply_problem(reply, 403, "cross-site",
                  "this request did not come from the registry's own page",
                  "a program shows a token: Authorization: Bearer TOKEN");
}

/* ---- signing in and out ---- */

static void set_cookie(const struct api *api, const struct api_call *call, struct reply *reply,
                       const char *text, int seconds)
{
    char name[sizeof COOKIE + 8];
    char value[COOKIE_SIZE];

    name_cookie(api, call, name, sizeof name);
    snprintf(value, sizeof value, "%s=%s" CLEAN "%d%s", name, text, seconds,
             call->request->secure ? "; Secure" : "");
    reply_header(reply, "Set-Cookie", value);
    secret_wipe(value, sizeof value);
}

/* Who knows a secret always gets in, so nobody can lock others out by guessing. */
static void refuse_guess(struct api *api, struct reply *reply, const struct api_call *call,
                         bool is_code)
{
    uint64_t left_out = 0;

    if (!rate_limit_take(&api->guesses, loop_now(), &left_out)) {
        reply_header(reply, "Retry-After", "1");
        reply_problem(reply, 429, "rate-limited", "too many have tried to sign in, and could not",
                      "try again in a second");
        return;
    }
    log_warn("sign-in refused", LOG_S("client", call->request->client),
             LOG_S("by", is_code ? "code" : "token"), LOG_I("left_out", left_out));
    reply_header(reply, "WWW-Authenticate", "Bearer realm=\"appnet\"");
    if (is_code) {
        reply_problem(reply, 401, "code-invalid",
                      "this code was used already, is more than an hour old, or is of an earlier "
                      "start of the registry",
                      "sign in with a token, from a file in the registry's data_dir, or start the "
                      "registry again: it prints a new address");
    } else {
        reply_problem(reply, 401, "unauthenticated", "this token is not one of the registry's",
                      "take what is in admin.token, operator.token or viewer.token in the "
                      "registry's data_dir");
    }
}

static void sign_in(struct api *api, struct reply *reply, const struct api_call *call,
                    const char *code, const char *token)
{
    char text[SESSIONS_TEXT_SIZE];
    enum role role = ROLE_ADMIN;

    if (token) {
        role = auth_token_role(api->auth, token);
    } else if (!sessions_take_code(api->sessions, code, loop_now() / 1000000)) {
        role = ROLE_NONE;
    }
    if (role == ROLE_NONE) {
        refuse_guess(api, reply, call, !token);
        return;
    }
    sessions_remove(api->sessions, call->session); /* of this browser's: nobody has it any more */
    if (!sessions_add(api->sessions, role, time(NULL), text)) {
        reply_problem(reply, 503, "too-many-sessions",
                      "as many have signed in as the registry takes",
                      "sign out elsewhere, or try again later");
        return;
    }
    log_info("signed in", LOG_S("client", call->request->client), LOG_S("role", role_text(role)),
             LOG_S("by", token ? "token" : "code"));
    set_cookie(api, call, reply, text, SESSIONS_SECONDS);
    secret_wipe(text, sizeof text);
    reply_json(reply, 200, json_pack("{s:s}", "role", role_text(role)));
}

void api_sign_in(struct api *api, struct reply *reply, const struct api_call *call)
{
    static const char *const fields[] = {"code", "token", NULL};
    const char *code;
    const char *token;
    json_t *body;

    if (call->origin && !is_from_our_page(call)) {
        api_refuse_cross_site(reply);
        return;
    }
    body = api_body(reply, call, fields);
    if (!body) {
        return;
    }
    code = json_string_value(json_object_get(body, "code"));
    token = json_string_value(json_object_get(body, "token"));
    if (json_object_size(body) == 1 && (code || token)) {
        sign_in(api, reply, call, code, token);
    } else {
        reply_problem(reply, 422, "malformed", "expected {\"code\":\"...\"} or {\"token\":\"...\"}",
                      NULL);
    }
    json_decref(body);
}

/* Where sidecars join: a registry that listens at every address is where the caller has found it.
 */
static void name_join_address(const struct api *api, const struct api_call *call, char *out,
                              size_t size)
{
    struct address at = api->settings->tls_listen, seen;
    char text[ADDRESS_TEXT_SIZE];

    if ((strcmp(at.host, "0.0.0.0") == 0 || strcmp(at.host, "::") == 0) && call->host) {
        snprintf(text, sizeof text, "%s:%u", call->host, (unsigned)at.port);
        if (address_parse(call->host, &seen, NULL) == 0 || address_parse(text, &seen, NULL) == 0) {
            memcpy(at.host, seen.host, sizeof at.host);
        }
    }
    address_format(&at, out, size);
}

void api_show_session(struct api *api, struct reply *reply, const struct api_call *call)
{
    char join_address[ADDRESS_TEXT_SIZE];

    name_join_address(api, call, join_address, sizeof join_address);
    reply_json(reply, 200,
               json_pack("{s:s, s:s, s:s, s:s}", "role", role_text(call->role), "trust_domain",
                         api->settings->trust_domain, "version", PACKAGE_VERSION, "join_address",
                         join_address));
}

void api_sign_out(struct api *api, struct reply *reply, const struct api_call *call)
{
    if (!call->authorization) {
        sessions_remove(api->sessions, call->session);
        log_info("signed out", LOG_S("client", call->request->client),
                 LOG_S("role", role_text(call->role)));
        set_cookie(api, call, reply, "", 0);
        events_check(api->core->events);
    }
    reply_nothing(reply);
}
