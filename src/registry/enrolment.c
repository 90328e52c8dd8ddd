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

/* Reading a request and signing take a millisecond each, and nobody may have the registry do
 * nothing else. Whoever asks too often takes certificates from its own instance, and from one in so
 * many others: which ones, nobody can choose. For strangers, who have no good token, neither is
 * done. */
#define SHARES 64
#define SHARE_BURST 100
#define SHARE_PER_SECOND 10

/* Refusals in the log. */
#define REFUSALS_BURST 50
#define REFUSALS_PER_SECOND 5

struct enrolment {
    struct core *core;
    struct authority *authority;
    int64_t certificate_ttl;
    struct rate_limit shares[SHARES];
    uint64_t seed;
    struct rate_limit refusals;
};

struct enrolment *enrolment_new(struct core *core, struct authority *authority,
                                int64_t certificate_ttl)
{
    struct enrolment *enrolment = memory_zalloc(sizeof *enrolment);

    enrolment->core = core;
    enrolment->authority = authority;
    enrolment->certificate_ttl = certificate_ttl;
    for (int i = 0; i < SHARES; i++) {
        enrolment->shares[i] = (struct rate_limit)RATE_LIMIT_INIT(SHARE_BURST, SHARE_PER_SECOND);
    }
    random_bytes(&enrolment->seed, sizeof enrolment->seed);
    enrolment->refusals = (struct rate_limit)RATE_LIMIT_INIT(REFUSALS_BURST, REFUSALS_PER_SECOND);
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
    char *pem, *client;              /* of who joins: the request as it came, and the address */
    struct signing_request *request; /* NULL: not read yet */
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
    free(errand->pem);
    free(errand->client);
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

/* FNV-1a, from a beginning that nobody knows. */
static struct rate_limit *share_of(struct enrolment *enrolment, const char *instance)
{
    uint64_t hash = enrolment->seed;

    for (; *instance; instance++) {
        hash = (hash ^ (unsigned char)*instance) * 0x100000001b3u;
    }
    return &enrolment->shares[(hash >> 32) % SHARES];
}

static bool is_too_fast(struct enrolment *enrolment, struct reply *reply, const char *instance)
{
    if (rate_limit_take(share_of(enrolment, instance), loop_now(), NULL)) {
        return false;
    }
    reply_header(reply, "Retry-After", "1");
    reply_problem(reply, 429, "rate-limited", "the registry is asked for too many certificates",
                  "try again in a moment");
    return true;
}

/* So that strangers do not fill the log. */
static void log_refusal(struct enrolment *enrolment, const char *client, const char *token,
                        const char *reason)
{
    uint64_t left_out = 0;

    if (rate_limit_take(&enrolment->refusals, loop_now(), &left_out)) {
        log_warn("enrolment refused", LOG_S("client", client), LOG_S("token", token),
                 LOG_S("reason", reason), LOG_I("left_out", (int64_t)left_out));
    }
}

/* What the instance asks for, whom `who` has shown to be it; NULL: answered. */
static struct signing_request *read_request(struct enrolment *enrolment, struct reply *reply,
                                            const char *who, const char *instance, const char *pem)
{
    struct error err = ERROR_INIT;
    struct signing_request *request;

    if (is_too_fast(enrolment, reply, instance)) {
        return NULL;
    }
    request = signing_request_read(pem, strlen(pem), authority_trust_domain(enrolment->authority),
                                   instance, &err);
    if (!request) {
        error_prefix(&err, "%s is for instance %s", who, instance);
        log_warn("request refused", LOG_S("instance", instance), LOG_S("detail", err.text));
        reply_problem(reply, 422, "csr-invalid", err.text, NULL);
    }
    return request;
}

static void use_token(struct errand *errand);

static void on_token_used(void *argument, const struct store_result *result)
{
    struct errand *errand = argument;

    if (result->outcome == STORE_CONFLICT) {
        use_token(errand); /* another replica was quicker: what is left for this one? */
        return;
    }
    if (result->outcome == STORE_DONE) {
        answer_certificate(errand->enrolment, errand->reply, errand->request, "replica enrolled");
    } else {
        action_failed(errand->reply, result);
    }
    errand_free(errand);
}

/* Why not, for the one who asks. */
static const char *refuse(const struct errand *errand, const struct model_token *row,
                          const char **detail)
{
    if (!row || !join_token_matches(&errand->token, row->hash)) {
        *detail =
            "this join token is not known here: it was revoked, it is of another registry, or "
            "it was never made";
        return "token-invalid";
    }
    if (strcmp(errand->token.ca_hash, authority_hash(errand->enrolment->authority)) != 0) {
        *detail = "this join token names another CA than the registry's";
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

static bool may_join(const struct errand *errand, const struct model_token *row)
{
    const struct model_instance *instance;
    const char *detail;
    const char *code = refuse(errand, row, &detail);
    struct error busy;

    if (code) {
        log_refusal(errand->enrolment, errand->client, errand->token.id, code);
        reply_problem(errand->reply, 403, code, detail,
                      "make a new one: appnet token create --instance NAME");
        return false;
    }
    instance = mesh_instance(errand->enrolment->core->mesh, row->instance);
    if (instance && instance->removing) {
        error_set(&busy, "instance %s is being removed: wait until it is gone", row->instance);
        reply_problem(errand->reply, 409, RULE_ALREADY_REMOVING, busy.text, NULL);
        return false;
    }
    return true;
}

/* One use less, and the instance, if nobody has heard of it yet, in one commit. */
static void use_token(struct errand *errand)
{
    struct core *core = errand->enrolment->core;
    const struct model_token *row = mesh_token(core->mesh, errand->token.id);
    struct model_instance instance = {0};
    struct store_change changes[2];
    unsigned count = 1;

    if (!may_join(errand, row) ||
        (!errand->request &&
         !(errand->request = read_request(errand->enrolment, errand->reply, "this join token",
                                          row->instance, errand->pem)))) {
        errand_free(errand);
        return;
    }
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

void enrolment_enrol(struct enrolment *enrolment, struct reply *reply, const char *text,
                     const char *request_pem, const char *client)
{
    struct errand *errand = errand_new(enrolment, reply);
    struct error err = ERROR_INIT;

    if (join_token_parse(text, &errand->token, &err) != 0) {
        reply_problem(reply, 403, "token-invalid", err.text, NULL);
        errand_free(errand);
        return;
    }
    errand->pem = memory_strdup(request_pem);
    errand->client = memory_strdup(client);
    use_token(errand);
}

void enrolment_renew(struct enrolment *enrolment, struct reply *reply, const char *instance,
                     const char *request_pem)
{
    struct signing_request *request =
        read_request(enrolment, reply, "this certificate", instance, request_pem);

    if (request) {
        answer_certificate(enrolment, reply, request, "certificate renewed");
        signing_request_free(request);
    }
}
