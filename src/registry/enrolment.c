#include "appnet/registry/enrolment.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/rate_limit.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/identity/join_token.h"
#include "appnet/registry/actions.h"
#include "core.h"

/* Signing takes a millisecond: strangers may not have the registry do nothing else. */
#define ENROLMENTS_BURST 200
#define ENROLMENTS_PER_SECOND 50

struct enrolment {
    struct core *core;
    struct authority *authority;
    int64_t certificate_ttl;
    struct rate_limit limit;
};

struct enrolment *enrolment_new(struct core *core, struct authority *authority,
                                int64_t certificate_ttl)
{
    struct enrolment *enrolment = memory_zalloc(sizeof *enrolment);

    enrolment->core = core;
    enrolment->authority = authority;
    enrolment->certificate_ttl = certificate_ttl;
    enrolment->limit = (struct rate_limit)RATE_LIMIT_INIT(ENROLMENTS_BURST, ENROLMENTS_PER_SECOND);
    return enrolment;
}

void enrolment_free(struct enrolment *enrolment)
{
    free(enrolment);
}

/* What the store works on. */
struct errand {
    struct enrolment *enrolment;
    struct reply *reply;
    struct model_token row;
    struct join_token token;
    struct signing_request *request;
};

static struct errand *errand_new(struct enrolment *enrolment, struct reply *reply)
{
    struct errand *errand = memory_zalloc(sizeof *errand);

    errand->enrolment = enrolment;
    errand->reply = reply;
    return errand;
}

static void errand_free(struct errand *errand)
{
    signing_request_free(errand->request);
    secret_wipe(&errand->token, sizeof errand->token);
    free(errand);
}

/* ---- tokens ---- */

static void on_token_made(void *argument, const struct store_result *result)
{
    struct errand *errand = argument;
    const struct model_token *row;

    if (result->outcome == STORE_DONE) {
        char text[JOIN_TOKEN_TEXT_SIZE];
        json_t *form;
        row = mesh_token(errand->enrolment->core->mesh, errand->row.id);
        form = forms_token(row);
        join_token_format(&errand->token, text);
        json_object_set_new(form, "token", json_string(text));
        secret_wipe(text, sizeof text);
        log_info("join token made", LOG_S("id", row->id), LOG_S("instance", row->instance));
        reply_json(errand->reply, 201, form);
    } else {
        action_failed(errand->reply, result);
    }
    errand_free(errand);
}

/* Those whose time is over, and those that are used up for longer than anybody would ask. */
static void sweep(struct core *core, int64_t now)
{
    const struct model_token *at = mesh_next_token(core->mesh, NULL);

    for (; at; at = mesh_next_token(core->mesh, at->id)) {
        if (at->expires_at + 86400 < now) {
            const struct store_change change = {.act = STORE_DELETE,
                                                .kind = STORE_TOKEN,
                                                .expected = at->revision,
                                                .row.token = at};
            core_commit(core, &change, 1, NULL, NULL);
        }
    }
}

void enrolment_make_token(struct enrolment *enrolment, struct reply *reply, const char *instance,
                          int64_t ttl, int64_t uses)
{
    struct errand *errand = errand_new(enrolment, reply);
    struct model_token *row = &errand->row;
    const struct store_change change = {
        .act = STORE_PUT, .kind = STORE_TOKEN, .expected = 0, .row.token = row};

    join_token_make(authority_hash(enrolment->authority), &errand->token);
    memcpy(row->id, errand->token.id, sizeof row->id);
    join_token_hash(&errand->token, row->hash);
    model_name_set(row->instance, instance);
    row->created_at = time(NULL);
    row->expires_at = row->created_at + ttl;
    row->uses = row->uses_left = (uint32_t)uses;
    sweep(enrolment->core, row->created_at);
    core_commit(enrolment->core, &change, 1, on_token_made, errand);
}

static void on_token_revoked(void *argument, const struct store_result *result)
{
    struct errand *errand = argument;

    if (result->outcome == STORE_DONE) {
        log_info("join token revoked", LOG_S("id", errand->row.id));
        reply_nothing(errand->reply);
    } else {
        action_failed(errand->reply, result);
    }
    errand_free(errand);
}

void enrolment_revoke_token(struct enrolment *enrolment, struct reply *reply, const char *id)
{
    const struct model_token *row = mesh_token(enrolment->core->mesh, id);
    struct store_change change = {.act = STORE_DELETE, .kind = STORE_TOKEN, .row.token = row};
    struct errand *errand;

    if (!row) {
        reply_problem(reply, 404, "token-unknown", "there is no join token of that id",
                      "list them: appnet token list");
        return;
    }
    change.expected = row->revision;
    errand = errand_new(enrolment, reply);
    errand->row = *row;
    core_commit(enrolment->core, &change, 1, on_token_revoked, errand);
}

/* ---- certificates ---- */

static void answer_certificate(struct enrolment *enrolment, struct reply *reply,
                               struct signing_request *request, const char *what)
{
    char not_after[TIME_TEXT_SIZE];
    struct error err = ERROR_INIT;
    struct issued issued;

    if (authority_sign(enrolment->authority, request, enrolment->certificate_ttl, &issued, &err) !=
        0) {
        log_error("no certificate", LOG_S("detail", err.text));
        reply_problem(reply, 503, "ca-failed", err.text, NULL);
        return;
    }
    time_format(issued.not_after, not_after, sizeof not_after);
    log_info(what, LOG_S("instance", signing_request_id(request)->instance),
             LOG_S("serial", issued.serial), LOG_S("not_after", not_after));
    reply_json(reply, 201,
               json_pack("{s:s, s:s, s:s}", "certificate", issued.chain_pem, "trust_bundle",
                         authority_bundle(enrolment->authority), "not_after", not_after));
    issued_clear(&issued);
}

static struct signing_request *read_request(struct enrolment *enrolment, struct reply *reply,
                                            const char *instance, const char *pem)
{
    struct error err = ERROR_INIT;
    struct signing_request *request = signing_request_read(
        pem, strlen(pem), authority_trust_domain(enrolment->authority), instance, &err);

    if (!request) {
        log_warn("request refused", LOG_S("instance", instance), LOG_S("detail", err.text));
        reply_problem(reply, 422, "csr-invalid", err.text, NULL);
    }
    return request;
}

static bool is_too_fast(struct enrolment *enrolment, struct reply *reply)
{
    if (rate_limit_take(&enrolment->limit, loop_now(), NULL)) {
        return false;
    }
    reply_header(reply, "Retry-After", "1");
    reply_problem(reply, 429, "rate-limited", "the registry is asked for too many certificates",
                  "try again in a moment");
    return true;
}

static void on_token_used(void *argument, const struct store_result *result)
{
    struct errand *errand = argument;

    if (result->outcome == STORE_DONE) {
        answer_certificate(errand->enrolment, errand->reply, errand->request, "replica enrolled");
    } else if (result->outcome == STORE_CONFLICT) {
        reply_problem(errand->reply, 409, "changed-meanwhile",
                      "the join token, or its instance, was changed by another request",
                      "try again");
    } else {
        action_failed(errand->reply, result);
    }
    errand_free(errand);
}

/* One use less, and the instance, if nobody has heard of it yet, in one commit. */
static void use_token(struct enrolment *enrolment, struct reply *reply,
                      const struct model_token *row, struct signing_request *request)
{
    struct core *core = enrolment->core;
    struct errand *errand = errand_new(enrolment, reply);
    struct model_instance instance = {0};
    struct store_change changes[2];
    unsigned count = 1;

    errand->request = request;
    errand->row = *row;
    errand->row.uses_left--;
    changes[0] = (struct store_change){.act = STORE_PUT,
                                       .kind = STORE_TOKEN,
                                       .expected = row->revision,
                                       .row.token = &errand->row};
    if (!mesh_instance(core->mesh, row->instance)) {
        model_name_set(instance.name, row->instance);
        instance.created_at = time(NULL);
        changes[count++] = (struct store_change){
            .act = STORE_PUT, .kind = STORE_INSTANCE, .expected = 0, .row.instance = &instance};
    }
    core_commit(core, changes, count, on_token_used, errand);
}

/* Why not, for the one who asks; the log says more than the stranger hears. */
static const char *refuse(const struct model_token *row, const struct join_token *token,
                          const char **detail)
{
    if (!row || !join_token_matches(token, row->hash)) {
        *detail =
            "this join token is not known here: it was revoked, it is of another registry, or "
            "it was never made";
        return "token-invalid";
    }
    if (row->expires_at <= time(NULL)) {
        *detail = "this join token has expired";
        return "token-expired";
    }
    if (row->uses_left == 0) {
        *detail = "this join token is used up";
        return "token-used";
    }
    return NULL;
}

void enrolment_enrol(struct enrolment *enrolment, struct reply *reply, const char *text,
                     const char *request_pem, const char *client)
{
    struct error err = ERROR_INIT;
    const struct model_token *row;
    struct signing_request *request;
    struct join_token token;
    const char *detail;
    const char *code;

    if (is_too_fast(enrolment, reply)) {
        return;
    }
    if (join_token_parse(text, &token, &err) != 0) {
        reply_problem(reply, 403, "token-invalid", err.text, NULL);
        return;
    }
    row = mesh_token(enrolment->core->mesh, token.id);
    code = refuse(row, &token, &detail);
    if (code) {
        log_warn("enrolment refused", LOG_S("client", client), LOG_S("token", token.id),
                 LOG_S("reason", code));
        reply_problem(reply, 403, code, detail,
                      "make a new one: appnet token create --instance NAME");
    } else if ((request = read_request(enrolment, reply, row->instance, request_pem))) {
        use_token(enrolment, reply, row, request);
    }
    secret_wipe(&token, sizeof token);
}

void enrolment_renew(struct enrolment *enrolment, struct reply *reply, const char *instance,
                     const char *request_pem)
{
    struct signing_request *request;

    if (is_too_fast(enrolment, reply)) {
        return;
    }
    request = read_request(enrolment, reply, instance, request_pem);
    if (request) {
        answer_certificate(enrolment, reply, request, "certificate renewed");
        signing_request_free(request);
    }
}
