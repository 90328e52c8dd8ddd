#include "appnet/sidecar/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>
#include <jansson.h>

#include "appnet/base/file.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/http/http_client.h"
#include "appnet/identity/identity_folder.h"
#include "appnet/identity/join_token.h"
#include "appnet/identity/signing_request.h"
#include "appnet/tunnel/pool.h"

#define ANSWER_SECONDS 10
/* A registry that says no is asked again, since a person may mend it: but not every second. */
#define REFUSED_MICROSECONDS 5000000
#define RENEW_RETRY_MAX_SECONDS 60
/* Certificates go by the clock on the wall, which may be set, and which goes on while the machine
 * sleeps: it is looked at this often. */
#define LOOK_MICROSECONDS 5000000
#define STATE_MODE 0700

/* What the registry said; looked at when the client is not at work any more. */
struct answer {
    unsigned status;
    char *body;
    size_t size;
    struct error why;
};

struct credentials {
    struct loop *loop;
    struct handshaker *handshaker;
    const struct config *config;
    void (*changed)(void *argument, const struct identity *identity);
    void *argument;
    struct event *timer, *answered;
    struct answer answer;
    struct identity *identity;   /* NULL: none that is good */
    struct handshaker *newcomer; /* without a certificate, while joining */
    struct http_client *client;  /* while something is asked */
    char *key_pem;               /* of the certificate that is asked for */
    bool join;                   /* a certificate that is there does not help */
    int64_t renew_at;            /* seconds since 1970; 0: as soon as the timer says */
    unsigned failures;           /* in a row */
    struct error trouble;
};

static void on_timer(evutil_socket_t fd, short what, void *argument);
static void on_answered(evutil_socket_t fd, short what, void *argument);

struct credentials *
credentials_new(struct loop *loop, struct handshaker *handshaker, const struct config *config,
                void (*changed)(void *argument, const struct identity *identity), void *argument)
{
    struct credentials *credentials = memory_zalloc(sizeof *credentials);

    credentials->loop = loop;
    credentials->handshaker = handshaker;
    credentials->config = config;
    credentials->changed = changed;
    credentials->argument = argument;
    credentials->timer = event_new(loop_base(loop), -1, 0, on_timer, credentials);
    credentials->answered = event_new(loop_base(loop), -1, 0, on_answered, credentials);
    return credentials;
}

static void wipe(char **text)
{
    if (*text) {
        secret_wipe(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

/* Nothing is asked any more. */
static void hang_up(struct credentials *credentials)
{
    http_client_free(credentials->client);
    credentials->client = NULL;
    handshaker_free(credentials->newcomer);
    credentials->newcomer = NULL;
    wipe(&credentials->key_pem);
}

void credentials_free(struct credentials *credentials)
{
    if (!credentials) {
        return;
    }
    hang_up(credentials);
    event_free(credentials->timer);
    event_free(credentials->answered);
    free(credentials->answer.body);
    identity_free(credentials->identity);
    free(credentials);
}

static void set_timer(struct credentials *credentials, int64_t microseconds)
{
    const struct timeval when = {(time_t)(microseconds / 1000000),
                                 (suseconds_t)(microseconds % 1000000)};

    event_add(credentials->timer, &when);
}

/* The registry is asked then. */
static void wake_in(struct credentials *credentials, int64_t microseconds)
{
    credentials->renew_at = 0;
    set_timer(credentials, microseconds);
}

/* Whether there is time until the planned renewal; then the timer is set again. */
static bool look_later(struct credentials *credentials)
{
    int64_t left = credentials->renew_at - (int64_t)time(NULL);

    if (left <= 0) {
        return false;
    }
    set_timer(credentials, left < LOOK_MICROSECONDS / 1000000 ? left * 1000000 : LOOK_MICROSECONDS);
    return true;
}

/* Half of the life that began at `since` after that, a tenth of it sooner or later, so that not
 * everybody comes at the same moment; at once if that is over. */
static void plan_renewal(struct credentials *credentials, int64_t since)
{
    int64_t life = credentials->identity->summary.not_after - since;

    credentials->renew_at = since + life * (400 + (int64_t)random_below(201)) / 1000;
    if (!look_later(credentials)) {
        wake_in(credentials, 0);
    }
}

static void use(struct credentials *credentials, struct identity *identity)
{
    char not_after[TIME_TEXT_SIZE];

    time_format(identity->summary.not_after, not_after, sizeof not_after);
    log_info("certificate in use", LOG_S("serial", identity->summary.serial),
             LOG_S("not_after", not_after));
    identity_free(credentials->identity);
    credentials->identity = identity;
    credentials->failures = 0;
    credentials->trouble.text[0] = '\0';
    credentials->changed(credentials->argument, identity);
}

/* Said once for each reason. Tried again, later and later while a certificate is there. */
static void failed(struct credentials *credentials, bool refused, const char *why)
{
    int64_t pause;

    hang_up(credentials);
    credentials->failures++;
    if (strcmp(credentials->trouble.text, why) != 0) {
        log_error(credentials->identity ? "no new certificate" : "not joined",
                  LOG_S("registry", credentials->config->registry.address), LOG_S("detail", why));
        error_set(&credentials->trouble, "%s", why);
    }
    if (refused) {
        pause = REFUSED_MICROSECONDS;
    } else if (credentials->identity && !credentials->join) {
        unsigned shift = credentials->failures < 6 ? credentials->failures : 6;
        int64_t seconds = INT64_C(1) << shift;
        pause = (seconds < RENEW_RETRY_MAX_SECONDS ? seconds : RENEW_RETRY_MAX_SECONDS) * 1000000;
    } else {
        pause = pool_backoff(credentials->failures, random_below(1000));
    }
    wake_in(credentials, pause);
}

/* ---- the registry's answer ---- */

static struct identity *read_answer(const struct credentials *credentials, const char *body,
                                    size_t size, struct error *err)
{
    const struct config *config = credentials->config;
    json_t *answer = json_loadb(body, size, 0, NULL);
    const char *certificate = json_string_value(json_object_get(answer, "certificate"));
    const char *bundle = json_string_value(json_object_get(answer, "trust_bundle"));
    struct identity *identity = NULL;

    if (!certificate || !bundle) {
        error_set(err, "the registry's answer has no certificate");
    } else if ((identity = identity_from_pem(certificate, credentials->key_pem, bundle,
                                             config->trust_domain, config->instance, err)) &&
               identity_folder_write(config->state_dir, STATE_MODE, credentials->key_pem,
                                     certificate, bundle, err) != 0) {
        identity_free(identity);
        identity = NULL;
    }
    json_decref(answer);
    return identity;
}

static void explain_refusal(unsigned status, const char *body, size_t size, struct error *out)
{
    json_t *problem = json_loadb(body, size, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *next = json_string_value(json_object_get(problem, "next"));

    error_set(out, "the registry refuses: %s%s%s (%u)", detail ? detail : "it does not say why",
              next ? "; " : "", next ? next : "", status);
    json_decref(problem);
}

static void on_answered(evutil_socket_t fd, short what, void *argument)
{
    struct credentials *credentials = argument;
    struct answer answer = credentials->answer;
    struct identity *identity = NULL;
    struct error err = ERROR_INIT;

    (void)fd;
    (void)what;
    credentials->answer.body = NULL;
    if (answer.status == 201) {
        identity = read_answer(credentials, answer.body, answer.size, &err);
    } else if (answer.status != 0) {
        explain_refusal(answer.status, answer.body, answer.size, &err);
    } else {
        err = answer.why;
    }
    free(answer.body);
    if (identity) {
        hang_up(credentials);
        credentials->join = false;
        use(credentials, identity);
        /* Not since not_before, which lies back for clocks that are behind. */
        plan_renewal(credentials, time(NULL));
    } else {
        failed(credentials, answer.status != 0, err.text);
    }
}

static void on_answer(void *argument, unsigned status, const char *body, size_t size,
                      const struct error *why)
{
    struct credentials *credentials = argument;
    struct answer *answer = &credentials->answer;

    answer->status = status;
    answer->body = memory_zalloc(size + 1);
    memcpy(answer->body, body, size);
    answer->size = size;
    answer->why = *why;
    event_active(credentials->answered, EV_TIMEOUT, 0);
}

/* ---- asking ---- */

static const struct http_call_handlers handlers = {.done = on_answer};

static void ask(struct credentials *credentials, const char *path, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    http_client_request(credentials->client, "POST", path, text, strlen(text), ANSWER_SECONDS,
                        &handlers, credentials);
    secret_wipe(text, strlen(text));
    free(text);
    json_decref(body);
}

static char *make_request(struct credentials *credentials, struct error *err)
{
    const struct config *config = credentials->config;
    char *request = NULL;

    wipe(&credentials->key_pem);
    if (signing_request_make_key(&credentials->key_pem, err) == 0) {
        signing_request_make(credentials->key_pem, config->trust_domain, config->instance, &request,
                             err);
    }
    return request;
}

static int connect_to_registry(struct credentials *credentials, struct handshaker *handshaker,
                               struct error *err)
{
    const struct tls_expected registry = {.who = TLS_REGISTRY};
    struct address address;

    if (address_parse(credentials->config->registry.address, &address, err) != 0) {
        return -1;
    }
    credentials->client = http_client_new(credentials->loop, handshaker, &address, &registry);
    return 0;
}

static int begin_to_join(struct credentials *credentials, struct error *err)
{
    const struct config *config = credentials->config;
    char text[JOIN_TOKEN_TEXT_SIZE];
    struct identity *nobody = NULL;
    struct join_token token;
    char *request = NULL;
    int rc = -1;

    if (!config->registry.join_token_file) {
        return error_set(err,
                         "there is no certificate in %s, and no registry.join_token_file to "
                         "join with: make a token with appnet token create --instance %s",
                         config->state_dir, config->instance);
    }
    if (join_token_read(config->registry.join_token_file, &token, err) != 0) {
        return -1;
    }
    if (credentials->failures == 0 && file_is_exposed(config->registry.join_token_file)) {
        log_warn("join token readable by others", LOG_S("file", config->registry.join_token_file),
                 LOG_S("next", "chmod 600 it"));
    }
    nobody = identity_pinned(config->trust_domain, token.ca_hash);
    credentials->newcomer = handshaker_new(1, NULL, err);
    if (credentials->newcomer && handshaker_set_identity(credentials->newcomer, nobody, err) == 0 &&
        (request = make_request(credentials, err)) &&
        connect_to_registry(credentials, credentials->newcomer, err) == 0) {
        join_token_format(&token, text);
        ask(credentials, "/v1/enroll", json_pack("{s:s, s:s}", "token", text, "csr", request));
        secret_wipe(text, sizeof text);
        rc = 0;
    }
    free(request);
    identity_free(nobody);
    secret_wipe(&token, sizeof token);
    return rc;
}

static int begin_to_renew(struct credentials *credentials, struct error *err)
{
    char *request = make_request(credentials, err);
    int rc = -1;

    if (request && connect_to_registry(credentials, credentials->handshaker, err) == 0) {
        ask(credentials, "/v1/renew", json_pack("{s:s}", "csr", request));
        rc = 0;
    }
    free(request);
    return rc;
}

static bool use_saved(struct credentials *credentials, struct error *err)
{
    const struct config *config = credentials->config;
    struct identity *identity =
        identity_folder_load(config->state_dir, config->trust_domain, config->instance, err);

    if (identity) {
        use(credentials, identity);
        plan_renewal(credentials, identity->summary.not_before);
    }
    return identity != NULL;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct credentials *credentials = argument;
    struct error err = ERROR_INIT;
    bool join = credentials->join || !credentials->identity ||
                credentials->identity->summary.not_after <= (int64_t)time(NULL);

    (void)fd;
    (void)what;
    if (credentials->client || look_later(credentials)) {
        return; /* it is being asked, or there is time yet */
    }
    /* Perhaps the clock was wrong, and what was not valid then is now. */
    if (!credentials->identity && !credentials->join && use_saved(credentials, NULL)) {
        return;
    }
    if ((join ? begin_to_join : begin_to_renew)(credentials, &err) != 0) {
        failed(credentials, true, err.text);
    }
}

void credentials_start(struct credentials *credentials)
{
    struct error err = ERROR_INIT;

    if (use_saved(credentials, &err)) {
        return;
    }
    if (!identity_folder_empty(credentials->config->state_dir)) {
        log_warn("certificate not usable", LOG_S("detail", err.text));
    }
    wake_in(credentials, 0);
}

void credentials_reconfigure(struct credentials *credentials, const struct config *config)
{
    credentials->config = config;
    if (!credentials->identity && !credentials->client) {
        wake_in(credentials, 0); /* perhaps with another token */
    }
}

const struct identity *credentials_identity(const struct credentials *credentials)
{
    return credentials->identity;
}

void credentials_set_bundle(struct credentials *credentials, const char *bundle_pem)
{
    const struct identity *old = credentials->identity;
    const struct config *config = credentials->config;
    struct error err = ERROR_INIT;
    struct identity *identity;

    if (!old || strcmp(old->ca_pem, bundle_pem) == 0) {
        return;
    }
    identity = identity_from_pem(old->certificate_pem, old->key_pem, bundle_pem,
                                 config->trust_domain, config->instance, &err);
    if (identity && identity_folder_write(config->state_dir, STATE_MODE, old->key_pem,
                                          old->certificate_pem, bundle_pem, &err) == 0) {
        use(credentials, identity);
        return;
    }
    identity_free(identity);
    /* Our own CA may be on its way out: the next certificate comes with the new bundle. */
    log_warn("trust bundle not taken", LOG_S("detail", err.text));
    wake_in(credentials, 0);
}

void credentials_join_again(struct credentials *credentials)
{
    if (!credentials->join) {
        credentials->join = true;
        wake_in(credentials, 0);
    }
}

const char *credentials_trouble(const struct credentials *credentials)
{
    return credentials->trouble.text[0] != '\0' ? credentials->trouble.text : NULL;
}
