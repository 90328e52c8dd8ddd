#include "appnet/registry/registry.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/file.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/http/http1_door.h"
#include "appnet/http/http2_door.h"
#include "appnet/identity/authority.h"
#include "appnet/registry/actions.h"
#include "appnet/registry/api.h"
#include "config.h"
#include "core.h"

#define CA_FOLDER "ca"
#define HANDSHAKE_THREADS 1
#define FINISH_SECONDS 2

struct registry {
    struct settings *settings;
    struct core core;
    struct authority *authority;
    struct identity *identity;
    struct auth *auth;
    struct sessions *sessions;
    struct enrolment *enrolment;
    struct api *api;
    struct handshaker *handshaker;
    struct http1_door *plain;
    struct http2_door *secure;
    struct event *terminate, *interrupt, *hang_up, *renew, *finish;
    registry_ready *ready;
    struct error failure; /* why it stops by itself */
};

/* ---- who hears of what ---- */

static void on_state_changed(void *argument, const struct model_connection *connection,
                             const struct state *state)
{
    struct core *core = argument;
    const struct log_field fields[] = {
        LOG_S("id", connection->id),
        LOG_S("source", connection->source),
        LOG_S("outbound", connection->outbound),
        LOG_S("target", connection->target),
        LOG_S("inbound", connection->inbound),
        LOG_S("status", state_status_text(state->status)),
        LOG_S("reason", state->reason),
        LOG_S("detail", state->detail.text[0] ? state->detail.text : NULL)};

    log_write(state->status == STATE_FAILED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "connection state",
              fields, sizeof fields / sizeof fields[0]);
    events_publish(core->events, "connection", forms_connection(&core->forms, connection));
}

static void on_state_released(void *argument, const struct model_connection *connection)
{
    action_release(argument, connection);
}

static void on_presence_changed(void *argument, const char *instance)
{
    struct core *core = argument;
    const struct model_instance *row = mesh_instance(core->mesh, instance);
    const struct model_connection *at = NULL;

    while ((at = mesh_next_to(core->mesh, instance, NULL, at))) {
        feed_touch(core->feed, at->source);
    }
    standings_look_at(core->standings, instance);
    if (row) {
        events_publish(core->events, "instance", forms_instance(&core->forms, row));
    }
}

static bool is_signed_in(void *argument, const char *session)
{
    const struct registry *registry = argument;

    return sessions_role(registry->sessions, session, time(NULL)) != ROLE_NONE;
}

static const char *trust_bundle(void *argument)
{
    const struct registry *registry = argument;

    return authority_bundle(registry->authority);
}

/* ---- identity ---- */

/* A new certificate of its own, from whatever CA there is now. */
static int take_identity(struct registry *registry, struct error *err)
{
    const struct settings *settings = registry->settings;
    const char *names[AUTHORITY_NAMES_MAX] = {"localhost", "127.0.0.1"};
    char host[256] = "";
    unsigned count = 2;
    struct identity *identity;

    if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
        names[count++] = host;
    }
    for (unsigned i = 0; i < settings->tls_name_count && count < AUTHORITY_NAMES_MAX; i++) {
        names[count++] = settings->tls_names[i];
    }
    if (count < AUTHORITY_NAMES_MAX && strcmp(settings->tls_listen.host, "0.0.0.0") != 0 &&
        strcmp(settings->tls_listen.host, "::") != 0) {
        names[count++] = settings->tls_listen.host;
    }
    identity = authority_registry_identity(registry->authority, names, count,
                                           settings->certificate_ttl, err);
    if (!identity || handshaker_set_identity(registry->handshaker, identity, err) != 0) {
        identity_free(identity);
        return -1;
    }
    identity_free(registry->identity);
    registry->identity = identity;
    return 0;
}

static void on_renew(evutil_socket_t fd, short what, void *argument)
{
    struct registry *registry = argument;
    struct error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (take_identity(registry, &err) != 0) {
        log_error("no certificate for the registry", LOG_S("detail", err.text),
                  LOG_S("kept", "the old one"));
    }
}

static void on_hang_up(evutil_socket_t fd, short what, void *argument)
{
    struct registry *registry = argument;
    struct error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (authority_reload(registry->authority, &err) != 0 || take_identity(registry, &err) != 0) {
        log_error("reload failed", LOG_S("detail", err.text), LOG_S("kept", "the CA in use"));
        return;
    }
    log_info("CA reloaded", LOG_S("hash", authority_hash(registry->authority)));
    feed_touch_all(registry->core.feed);
}

/* ---- life ---- */

static void on_terminate(evutil_socket_t fd, short what, void *argument)
{
    struct registry *registry = argument;

    (void)fd;
    (void)what;
    log_info("stopping");
    loop_stop(registry->core.loop);
}

static int watch_signals(struct registry *registry, struct error *err)
{
    struct event_base *base = loop_base(registry->core.loop);
    const struct timeval half_life = {(time_t)(registry->settings->certificate_ttl / 2), 0};

    signal(SIGPIPE, SIG_IGN);
    registry->terminate = evsignal_new(base, SIGTERM, on_terminate, registry);
    registry->interrupt = evsignal_new(base, SIGINT, on_terminate, registry);
    registry->hang_up = evsignal_new(base, SIGHUP, on_hang_up, registry);
    registry->renew = event_new(base, -1, EV_PERSIST, on_renew, registry);
    if (!registry->terminate || !registry->interrupt || !registry->hang_up || !registry->renew ||
        event_add(registry->terminate, NULL) != 0 || event_add(registry->interrupt, NULL) != 0 ||
        event_add(registry->hang_up, NULL) != 0 || event_add(registry->renew, &half_life) != 0) {
        return error_set(err, "signals cannot be watched");
    }
    return 0;
}

static int open_authority(struct registry *registry, struct error *err)
{
    const struct settings *settings = registry->settings;
    char *folder = file_path(settings->data_dir, CA_FOLDER);
    char *certificate = file_path(folder, AUTHORITY_CERTIFICATE);
    int rc = -1;

    if (access(certificate, F_OK) != 0 &&
        authority_init(folder, settings->trust_domain, err) != 0) {
        goto out;
    }
    registry->authority = authority_load(folder, settings->trust_domain, err);
    rc = registry->authority ? 0 : -1;
out:
    free(certificate);
    free(folder);
    return rc;
}

static void make_core(struct registry *registry)
{
    struct core *core = &registry->core;
    struct event_base *base = loop_base(core->loop);
    const struct standings_events standings = {on_state_changed, on_state_released, core};
    struct feed_sources sources = {.revision = &core->revision,
                                   .trust_bundle = trust_bundle,
                                   .argument = registry,
                                   .lease = registry->settings->lease};

    core->mesh = mesh_new();
    core->presence = presence_new(base, registry->settings->lease, on_presence_changed, core);
    core->standings = standings_new(base, core->mesh, core->presence, &standings);
    core->events = events_new(base, &core->revision);
    sources.mesh = core->mesh;
    sources.presence = core->presence;
    core->feed = feed_new(base, &sources);
    core->forms = (struct forms){core->mesh, core->presence, core->standings};
}

struct registry *registry_new(struct settings *settings, struct error *err)
{
    struct registry *registry = memory_zalloc(sizeof *registry);

    registry->settings = settings;
    if (!(registry->core.loop = loop_new("registry", err)) || watch_signals(registry, err) != 0 ||
        file_make_folder(settings->data_dir, 0700, err) != 0 ||
        open_authority(registry, err) != 0 ||
        !(registry->auth = auth_open(settings->data_dir, err)) ||
        !(registry->handshaker = handshaker_new(HANDSHAKE_THREADS, NULL, err)) ||
        take_identity(registry, err) != 0 ||
        !(registry->core.store = store_open(settings->store, NULL, registry->core.loop, err))) {
        registry_free(registry);
        return NULL;
    }
    make_core(registry);
    registry->enrolment =
        enrolment_new(&registry->core, registry->authority, settings->certificate_ttl);
    registry->sessions = sessions_open(settings->data_dir, registry->auth, time(NULL));
    events_guard(registry->core.events, is_signed_in, registry);
    registry->api =
        api_new(&registry->core, settings, registry->auth, registry->sessions, registry->enrolment);
    return registry;
}

static void log_listening(const char *kind, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text, sizeof text);
    log_info("listening", LOG_S("kind", kind), LOG_S("address", text));
}

static int open_doors(struct registry *registry, struct error *err)
{
    const struct settings *settings = registry->settings;
    const struct http_handler handler = api_handler(registry->api);
    int fd;

    if (acceptor_open(&settings->http_listen, &fd, 1, err) != 0) {
        return error_prefix(err, "http_listen");
    }
    registry->plain = http1_door_new(loop_base(registry->core.loop), fd, &handler, err);
    if (!registry->plain) {
        return -1;
    }
    log_listening("http", &settings->http_listen);
    if (acceptor_open(&settings->tls_listen, &fd, 1, err) != 0) {
        return error_prefix(err, "tls_listen");
    }
    registry->secure = http2_door_new(registry->core.loop, registry->handshaker, fd, &handler, err);
    if (!registry->secure) {
        return -1;
    }
    log_listening("tls", &settings->tls_listen);
    return 0;
}

static void on_row(void *argument, enum store_kind kind, union store_row row)
{
    const struct store_change change = {.act = STORE_PUT, .kind = kind, .row = row};
    struct registry *registry = argument;

    core_take(&registry->core, &change);
}

static void finish_removals(struct core *core)
{
    const struct model_instance *instance = mesh_next_instance(core->mesh, NULL);

    for (; instance; instance = mesh_next_instance(core->mesh, instance->name)) {
        action_finish_removal(core, instance->name);
    }
}

/* A removal ends with its last connection, at once; or here, if the store could not just then. */
static void on_finish(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    finish_removals(argument);
}

/* What a stop left half-way goes on. */
static void resume_work(struct registry *registry)
{
    static const struct timeval often = {FINISH_SECONDS, 0};
    struct core *core = &registry->core;
    const struct model_connection *connection = NULL;

    finish_removals(core);
    registry->finish = event_new(loop_base(core->loop), -1, EV_PERSIST, on_finish, core);
    event_add(registry->finish, &often);
    while ((connection = mesh_next_connection(core->mesh, connection))) {
        standings_look(core->standings, connection);
    }
}

/* Whoever reads this address, on the terminal or in the log, can sign in, once. */
static void show_page(struct registry *registry)
{
    struct address at = registry->settings->http_listen;
    char text[ADDRESS_TEXT_SIZE];
    char code[SESSIONS_TEXT_SIZE];
    char *page;

    if (strcmp(at.host, "0.0.0.0") == 0 || strcmp(at.host, "::") == 0) {
        snprintf(at.host, sizeof at.host, "localhost");
    }
    address_format(&at, text, sizeof text);
    sessions_make_code(registry->sessions, loop_now() / 1000000, code);
    page = memory_printf("http://%s/#code=%s", text, code);
    log_info("page", LOG_S("address", page));
    if (registry->ready) {
        registry->ready(registry->settings, page);
    }
    secret_wipe(code, sizeof code);
    secret_wipe(page, strlen(page));
    free(page);
}

static void on_loaded(void *argument, const struct store_result *result)
{
    struct registry *registry = argument;
    struct core *core = &registry->core;

    if (result->outcome != STORE_DONE) {
        registry->failure = result->why;
        loop_stop(core->loop);
        return;
    }
    core->revision = result->revision;
    if (open_doors(registry, &registry->failure) != 0) {
        loop_stop(core->loop);
        return;
    }
    resume_work(registry);
    log_info("registry started", LOG_S("trust_domain", registry->settings->trust_domain),
             LOG_S("version", PACKAGE_VERSION), LOG_I("revision", core->revision),
             LOG_I("instances", mesh_instance_count(core->mesh)),
             LOG_I("connections", mesh_connection_count(core->mesh)),
             LOG_S("data_dir", registry->settings->data_dir));
    show_page(registry);
}

int registry_run(struct registry *registry, registry_ready *ready, struct error *err)
{
    registry->ready = ready;
    store_load(registry->core.store, on_row, on_loaded, registry);
    if (loop_run(registry->core.loop) != 0) {
        return error_set(err, "the event loop failed");
    }
    if (registry->failure.text[0] != '\0') {
        *err = registry->failure;
        return -1;
    }
    log_info("stopped");
    return 0;
}

static void free_event(struct event *event)
{
    if (event) {
        event_free(event);
    }
}

/* Those who ask go first, then what they ask for. */
void registry_free(struct registry *registry)
{
    struct core *core;

    if (!registry) {
        return;
    }
    core = &registry->core;
    if (core->store) {
        store_close(core->store);
    }
    feed_free(core->feed);
    events_free(core->events);
    http1_door_free(registry->plain);
    if (registry->secure) {
        http2_door_free(registry->secure); /* the handshaker with it */
    } else {
        handshaker_free(registry->handshaker);
    }
    api_free(registry->api);
    sessions_free(registry->sessions);
    enrolment_free(registry->enrolment);
    standings_free(core->standings);
    presence_free(core->presence);
    mesh_free(core->mesh);
    auth_free(registry->auth);
    identity_free(registry->identity);
    authority_free(registry->authority);
    free_event(registry->terminate);
    free_event(registry->interrupt);
    free_event(registry->hang_up);
    free_event(registry->renew);
    free_event(registry->finish);
    loop_free(core->loop);
    settings_free(registry->settings);
    free(registry);
}
