#include "appnet/sidecar/sidecar.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/identity/identity.h"
#include "appnet/sidecar/admin.h"
#include "appnet/sidecar/board.h"
#include "appnet/sidecar/credentials.h"
#include "appnet/sidecar/listeners.h"
#include "appnet/sidecar/membership.h"
#include "appnet/sidecar/report.h"
#include "appnet/sidecar/status.h"
#include "appnet/sidecar/worker.h"
#include "config.h"

/* More handshakes at a time than these threads do would only take the cores from the traffic. */
#define HANDSHAKE_THREADS_MAX 4
/* An application that is shutting down may still want a new connection: this long without any, and
 * it is over. */
#define DRAIN_QUIET_MICROSECONDS 1000000
#define DRAIN_LOOK_MICROSECONDS 100000
/* How often streams and bytes are counted for the registry. */
#define USE_SECONDS 2

struct sidecar {
    struct config *config;
    struct loop *loop; /* runs on the thread of sidecar_run */
    struct handshaker *handshaker;
    struct worker **workers;
    unsigned worker_count;
    struct worker_events events;
    atomic_uint next_worker;         /* which one the next tunnel from a peer goes to */
    struct identity *own_identity;   /* from the files of the configuration */
    const struct identity *identity; /* in use; NULL: not joined yet */
    struct credentials *credentials; /* NULL: no registry */
    struct membership *membership;   /* NULL: no registry */
    struct worker_report **used;     /* what the workers said last, for reports; NULL: nothing */
    struct event *look_at_use;
    bool asking;          /* the workers, for that */
    struct error failure; /* why it stops by itself */
    struct snapshot *snapshot;
    struct board *board;
    struct listeners *listeners;
    struct admin *admin;
    const char *engine;
    struct event *terminate, *interrupt, *hang_up, *drain_look;
    bool draining;
    int64_t started, drain_began, last_busy;
};

/* ---- states ---- */

struct change {
    struct sidecar *sidecar;
    unsigned worker;
    struct snapshot_outbound outbound;
    struct connection_state state;
};

static void take_change(void *argument)
{
    struct change *change = argument;

    board_report(change->sidecar->board, change->worker, &change->outbound, &change->state);
    free(change);
}

/* On a worker's thread. */
static void on_connection_changed(void *argument, unsigned worker,
                                  const struct snapshot_outbound *outbound,
                                  const struct connection_state *state)
{
    struct change *change = memory_zalloc(sizeof *change);

    change->sidecar = argument;
    change->worker = worker;
    change->outbound = *outbound;
    change->state = *state;
    loop_post(change->sidecar->loop, take_change, change);
}

/* There is something new for the registry, if there is a registry. */
static void report_change(const struct sidecar *sidecar)
{
    if (sidecar->membership) {
        membership_changed(sidecar->membership);
    }
}

static void on_state_drawn(void *argument, const struct snapshot_outbound *outbound,
                           const struct connection_state *state)
{
    const struct log_field fields[] = {
        LOG_S("outbound", outbound->name),
        LOG_S("instance", outbound->instance),
        LOG_S("inbound", outbound->inbound),
        LOG_S("status", connection_status_text(state->status)),
        LOG_S("reason", state->reason),
        LOG_S("detail", state->detail.text[0] != '\0' ? state->detail.text : NULL)};

    log_write(state->status == CONNECTION_FAILED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
              "connection state", fields, sizeof fields / sizeof fields[0]);
    report_change(argument);
}

/* On a handshake thread. */
static void on_tunnel(void *argument, struct established *established)
{
    struct sidecar *sidecar = argument;
    unsigned next = atomic_fetch_add(&sidecar->next_worker, 1) % sidecar->worker_count;

    worker_take_tunnel(sidecar->workers[next], established);
}

/* ---- showing ---- */

/* A question to all workers. */
struct inquiry {
    struct sidecar *sidecar;
    /* Takes the reports, and the array, over. */
    void (*done)(void *argument, struct worker_report **reports);
    void *argument;
    struct worker_report **reports;
    unsigned arrived;
};

static void on_report(void *argument, struct worker_report *report)
{
    struct inquiry *inquiry = argument;

    inquiry->reports[inquiry->arrived++] = report;
    if (inquiry->arrived == inquiry->sidecar->worker_count) {
        inquiry->done(inquiry->argument, inquiry->reports);
        free(inquiry);
    }
}

static void ask_workers(struct sidecar *sidecar,
                        void (*done)(void *argument, struct worker_report **reports),
                        void *argument)
{
    struct inquiry *inquiry = memory_zalloc(sizeof *inquiry);

    inquiry->sidecar = sidecar;
    inquiry->done = done;
    inquiry->argument = argument;
    inquiry->reports = memory_zalloc(sidecar->worker_count * sizeof(struct worker_report *));
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_ask(sidecar->workers[i], sidecar->loop, on_report, inquiry);
    }
}

/* Somebody who wants to see a page. */
struct viewer {
    struct sidecar *sidecar;
    enum admin_page page;
    struct admin_reply *reply;
};

/* `registry` is filled in if there is one. */
static struct status status_of(const struct sidecar *sidecar, struct worker_report *const *reports,
                               struct membership_info *registry)
{
    if (sidecar->membership) {
        membership_describe(sidecar->membership, registry);
        if (credentials_trouble(sidecar->credentials)) {
            registry->trouble = credentials_trouble(sidecar->credentials);
        }
    }
    return (struct status){
        .snapshot = sidecar->snapshot,
        .certificate = sidecar->identity ? &sidecar->identity->summary : NULL,
        .registry = sidecar->membership ? registry : NULL,
        .board = sidecar->board,
        .reports = reports,
        .workers = sidecar->worker_count,
        .engine = sidecar->engine,
        .draining = sidecar->draining,
        .started = sidecar->started,
    };
}

static void show(void *argument, struct worker_report **reports)
{
    struct viewer *viewer = argument;
    struct sidecar *sidecar = viewer->sidecar;
    struct membership_info registry;
    struct status status = status_of(sidecar, reports, &registry);
    char *text;

    if (viewer->page == ADMIN_STATUS) {
        text = status_json(&status);
        admin_answer(viewer->reply, 200, "application/json", text);
    } else {
        text = status_metrics(&status);
        admin_answer(viewer->reply, 200, "text/plain; version=0.0.4", text);
    }
    free(text);
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_report_free(reports[i]);
    }
    free(reports);
    free(viewer);
}

static void on_asked(void *argument, enum admin_page page, struct admin_reply *reply)
{
    struct sidecar *sidecar = argument;
    struct viewer *viewer;

    if (page == ADMIN_READY) {
        struct membership_info registry;
        struct status status = status_of(sidecar, NULL, &registry);
        char *text;
        bool ready = status_ready(&status, &text);
        admin_answer(reply, ready ? 200 : 503, "text/plain", text);
        free(text);
        return;
    }
    viewer = memory_zalloc(sizeof *viewer);
    viewer->sidecar = sidecar;
    viewer->page = page;
    viewer->reply = reply;
    ask_workers(sidecar, show, viewer);
}

/* ---- configuration ---- */

static void publish(struct sidecar *sidecar, struct snapshot *snapshot)
{
    snapshot_unref(sidecar->snapshot);
    sidecar->snapshot = snapshot;
    board_apply(sidecar->board, snapshot);
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_apply(sidecar->workers[i], snapshot);
    }
    listeners_apply(sidecar->listeners, snapshot);
}

static struct identity *load_identity(const struct config *config, struct error *err)
{
    return identity_load(config->identity.certificate, config->identity.key, config->identity.ca,
                         config->trust_domain, config->instance, err);
}

static struct snapshot *make_snapshot(const struct sidecar *sidecar, const struct config *config,
                                      struct error *err)
{
    /* Nothing is dialled before there is an identity. */
    return sidecar->membership
               ? snapshot_from_view(
                     config, sidecar->identity ? membership_view(sidecar->membership) : NULL, err)
               : snapshot_new(config, err);
}

/* What only a new start can change. */
static int check_unchanged(const struct config *old, const struct config *new, struct error *err)
{
    const char *what = NULL;

    if (strcmp(old->instance, new->instance) != 0) {
        what = "instance";
    } else if (strcmp(old->trust_domain, new->trust_domain) != 0) {
        what = "trust_domain";
    } else if (strcmp(old->admin, new->admin) != 0) {
        what = "admin";
    } else if (!address_equal(&old->metrics, &new->metrics)) {
        what = "metrics";
    } else if (!address_equal(&old->tunnel.listen, &new->tunnel.listen)) {
        what = "tunnel.listen";
    } else if (old->tunnel.workers != new->tunnel.workers) {
        what = "tunnel.workers";
    } else if (!old->registry.address != !new->registry.address ||
               (old->registry.address &&
                strcmp(old->registry.address, new->registry.address) != 0)) {
        what = "registry.address";
    } else if (old->registry.address && strcmp(old->state_dir, new->state_dir) != 0) {
        what = "state_dir";
    }
    return what ? error_set(err, "%s: %s has changed, which needs a restart", new->file, what) : 0;
}

/* The files' identity, in use from now on. */
static int take_own_identity(struct sidecar *sidecar, const struct config *config,
                             struct error *err)
{
    struct identity *identity = load_identity(config, err);

    if (!identity || handshaker_set_identity(sidecar->handshaker, identity, err) != 0) {
        identity_free(identity);
        return -1;
    }
    identity_free(sidecar->own_identity);
    sidecar->identity = sidecar->own_identity = identity;
    return 0;
}

static int reload(struct sidecar *sidecar, struct error *err)
{
    struct config *config = config_load(sidecar->config->file, err);
    struct snapshot *snapshot = NULL;

    /* Everything is made before anything is put into use. */
    if (!config || check_unchanged(sidecar->config, config, err) != 0 ||
        !(snapshot = make_snapshot(sidecar, config, err)) ||
        (!sidecar->membership && take_own_identity(sidecar, config, err) != 0)) {
        snapshot_unref(snapshot);
        config_free(config);
        return -1;
    }
    if (sidecar->membership) {
        credentials_reconfigure(sidecar->credentials, config);
        membership_reconfigure(sidecar->membership, config);
    }
    config_free(sidecar->config);
    sidecar->config = config;
    publish(sidecar, snapshot);
    return 0;
}

/* ---- the registry ---- */

static void on_view(void *argument)
{
    struct sidecar *sidecar = argument;
    const struct view *view = membership_view(sidecar->membership);

    publish(sidecar, snapshot_rewire(sidecar->snapshot, sidecar->config, view));
    if (view_trust_bundle(view)) {
        credentials_set_bundle(sidecar->credentials, view_trust_bundle(view));
    }
}

static void on_unknown(void *argument)
{
    const struct sidecar *sidecar = argument;

    credentials_join_again(sidecar->credentials);
}

static int listen_for_tunnels(struct sidecar *sidecar, struct error *err);

/* The first identity lets everything begin that needs one. */
static void on_identity(void *argument, const struct identity *identity)
{
    struct sidecar *sidecar = argument;
    bool first = !sidecar->identity;
    struct error err = ERROR_INIT;

    sidecar->identity = identity;
    membership_identify(sidecar->membership, identity);
    if (handshaker_set_identity(sidecar->handshaker, identity, &err) != 0) {
        log_error("certificate not taken", LOG_S("detail", err.text));
    } else if (first) {
        on_view(sidecar);
        if (!sidecar->draining && listen_for_tunnels(sidecar, &err) != 0) {
            sidecar->failure = err;
            loop_stop(sidecar->loop);
            return;
        }
        membership_start(sidecar->membership);
    }
}

/* ---- reports ---- */

static struct report_use use_of(const struct sidecar *sidecar)
{
    return (struct report_use){.reports = sidecar->used, .workers = sidecar->worker_count};
}

static void forget_use(struct sidecar *sidecar)
{
    for (unsigned i = 0; sidecar->used && i < sidecar->worker_count; i++) {
        worker_report_free(sidecar->used[i]);
    }
    free(sidecar->used);
    sidecar->used = NULL;
}

/* Where nothing moves there is nothing to tell. */
static void on_used(void *argument, struct worker_report **reports)
{
    struct sidecar *sidecar = argument;
    struct report_use use = use_of(sidecar);
    struct worker_use before = report_total(&use);
    struct worker_use now;

    sidecar->asking = false;
    forget_use(sidecar);
    sidecar->used = reports;
    use = use_of(sidecar);
    now = report_total(&use);
    if (now.streams != before.streams || now.sent != before.sent ||
        now.received != before.received) {
        report_change(sidecar);
    }
}

static void on_look_at_use(evutil_socket_t fd, short what, void *argument)
{
    struct sidecar *sidecar = argument;

    (void)fd;
    (void)what;
    if (!sidecar->asking) {
        sidecar->asking = true;
        ask_workers(sidecar, on_used, sidecar);
    }
}

static json_t *make_report(void *argument)
{
    const struct sidecar *sidecar = argument;
    const struct report_use use = use_of(sidecar);

    return report_connections(membership_view(sidecar->membership), sidecar->snapshot,
                              sidecar->board, &use);
}

static int make_member(struct sidecar *sidecar, struct error *err)
{
    const struct membership_handlers handlers = {
        .view = on_view, .report = make_report, .unknown = on_unknown, .argument = sidecar};
    static const struct timeval often = {USE_SECONDS, 0};

    sidecar->membership =
        membership_new(sidecar->loop, sidecar->handshaker, sidecar->config, &handlers, err);
    if (!sidecar->membership) {
        return -1;
    }
    sidecar->credentials =
        credentials_new(sidecar->loop, sidecar->handshaker, sidecar->config, on_identity, sidecar);
    sidecar->look_at_use =
        event_new(loop_base(sidecar->loop), -1, EV_PERSIST, on_look_at_use, sidecar);
    event_add(sidecar->look_at_use, &often);
    return 0;
}

static void on_hang_up(evutil_socket_t fd, short what, void *argument)
{
    struct sidecar *sidecar = argument;
    struct error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (sidecar->draining) {
        log_info("reload ignored", LOG_S("detail", "the sidecar is draining"));
    } else if (reload(sidecar, &err) == 0) {
        log_info(
            "configuration reloaded", LOG_S("file", sidecar->config->file),
            LOG_S("certificate", sidecar->identity ? sidecar->identity->summary.serial : NULL));
    } else {
        log_error("reload failed", LOG_S("detail", err.text),
                  LOG_S("kept", "the running configuration"));
    }
}

/* ---- the end ---- */

static void look_again(struct sidecar *sidecar)
{
    static const struct timeval soon = {0, DRAIN_LOOK_MICROSECONDS};

    event_add(sidecar->drain_look, &soon);
}

static void on_drain_look(evutil_socket_t fd, short what, void *argument)
{
    struct sidecar *sidecar = argument;
    int64_t now = loop_now();
    unsigned open = 0;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        open += worker_open_streams(sidecar->workers[i]);
    }
    if (open > 0) {
        sidecar->last_busy = now;
    }
    if (open > 0 &&
        now - sidecar->drain_began >= (int64_t)sidecar->config->drain_timeout * 1000000) {
        log_warn("drain deadline", LOG_I("streams", open),
                 LOG_I("seconds", sidecar->config->drain_timeout));
        for (unsigned i = 0; i < sidecar->worker_count; i++) {
            worker_cut(sidecar->workers[i], "drained");
        }
        loop_stop(sidecar->loop);
    } else if (now - sidecar->last_busy >= DRAIN_QUIET_MICROSECONDS) {
        loop_stop(sidecar->loop);
    } else {
        look_again(sidecar);
    }
}

/* Tunnels from peers are wound down; our own outbounds go on, since the application beside us may
 * need them to finish. */
static void on_terminate(evutil_socket_t fd, short what, void *argument)
{
    struct sidecar *sidecar = argument;

    (void)fd;
    (void)what;
    if (sidecar->draining) {
        log_warn("stopping at once", LOG_S("reason", "asked a second time"));
        loop_stop(sidecar->loop);
        return;
    }
    sidecar->draining = true;
    sidecar->drain_began = sidecar->last_busy = loop_now();
    log_info("draining", LOG_I("deadline_seconds", sidecar->config->drain_timeout));
    handshaker_close(sidecar->handshaker);
    if (sidecar->membership) {
        membership_withdraw(sidecar->membership);
    }
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_drain(sidecar->workers[i]);
    }
    look_again(sidecar);
}

/* ---- life ---- */

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}

static int make_workers(struct sidecar *sidecar, struct error *err)
{
    unsigned count =
        sidecar->config->tunnel.workers > 0 ? (unsigned)sidecar->config->tunnel.workers : cores();

    sidecar->events =
        (struct worker_events){.connection_changed = on_connection_changed, .argument = sidecar};
    sidecar->workers = memory_zalloc(count * sizeof(struct worker *));
    while (sidecar->worker_count < count) {
        struct worker *worker =
            worker_new(sidecar->worker_count, count, sidecar->handshaker, &sidecar->events, err);
        if (!worker) {
            return -1;
        }
        sidecar->workers[sidecar->worker_count++] = worker;
    }
    return 0;
}

static int watch_signals(struct sidecar *sidecar, struct error *err)
{
    struct event_base *base = loop_base(sidecar->loop);

    signal(SIGPIPE, SIG_IGN);
    sidecar->terminate = evsignal_new(base, SIGTERM, on_terminate, sidecar);
    sidecar->interrupt = evsignal_new(base, SIGINT, on_terminate, sidecar);
    sidecar->hang_up = evsignal_new(base, SIGHUP, on_hang_up, sidecar);
    sidecar->drain_look = event_new(base, -1, 0, on_drain_look, sidecar);
    if (!sidecar->terminate || !sidecar->interrupt || !sidecar->hang_up || !sidecar->drain_look ||
        event_add(sidecar->terminate, NULL) != 0 || event_add(sidecar->interrupt, NULL) != 0 ||
        event_add(sidecar->hang_up, NULL) != 0) {
        return error_set(err, "signals cannot be watched");
    }
    return 0;
}

struct sidecar *sidecar_new(struct config *config, const struct record_engine *engine,
                            struct error *err)
{
    struct sidecar *sidecar = memory_zalloc(sizeof *sidecar);
    unsigned threads;

    sidecar->config = config;
    sidecar->started = loop_now();
    sidecar->engine = engine ? engine->name : record_engine_best()->name;
    sidecar->loop = loop_new("control", err);
    if (!sidecar->loop || watch_signals(sidecar, err) != 0) {
        goto failed;
    }
    threads = config->tunnel.workers > 0 ? (unsigned)config->tunnel.workers : cores();
    sidecar->handshaker = handshaker_new(
        threads < HANDSHAKE_THREADS_MAX ? threads : HANDSHAKE_THREADS_MAX, engine, err);
    if (!sidecar->handshaker || make_workers(sidecar, err) != 0 ||
        (config->registry.address ? make_member(sidecar, err)
                                  : take_own_identity(sidecar, config, err)) != 0) {
        goto failed;
    }
    sidecar->board = board_new(sidecar->worker_count, on_state_drawn, sidecar);
    sidecar->listeners = listeners_new(loop_base(sidecar->loop), sidecar->workers,
                                       sidecar->worker_count, sidecar->board);
    sidecar->admin = admin_new(loop_base(sidecar->loop), on_asked, sidecar);
    return sidecar;

failed:
    sidecar_free(sidecar);
    return NULL;
}

static void log_listening(const char *kind, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text, sizeof text);
    log_info("listening", LOG_S("kind", kind), LOG_S("address", text));
}

static int open_sockets(struct sidecar *sidecar, struct error *err)
{
    const struct config *config = sidecar->config;

    if (admin_listen_unix(sidecar->admin, config->admin, err) != 0) {
        return -1;
    }
    log_info("listening", LOG_S("kind", "admin"), LOG_S("address", config->admin));
    if (config->metrics.port != 0) {
        if (admin_listen_tcp(sidecar->admin, &config->metrics, err) != 0) {
            return -1;
        }
        log_listening("metrics", &config->metrics);
    }
    return 0;
}

static int listen_for_tunnels(struct sidecar *sidecar, struct error *err)
{
    const struct address *address = &sidecar->config->tunnel.listen;
    int fd;

    if (address->port == 0) {
        return 0;
    }
    if (acceptor_open(address, &fd, 1, err) != 0) {
        return error_prefix(err, "tunnel.listen");
    }
    if (handshaker_listen(sidecar->handshaker, fd, TLS_ANY_INSTANCE, on_tunnel, sidecar, err) !=
        0) {
        return -1;
    }
    log_listening("tunnel", address);
    return 0;
}

/* With a registry everything else waits for an identity: see on_identity. */
static int begin(struct sidecar *sidecar, struct error *err)
{
    if (!sidecar->membership) {
        return listen_for_tunnels(sidecar, err);
    }
    credentials_start(sidecar->credentials);
    return 0;
}

int sidecar_run(struct sidecar *sidecar, struct error *err)
{
    struct snapshot *snapshot = make_snapshot(sidecar, sidecar->config, err);

    if (!snapshot) {
        return -1;
    }
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        if (worker_start(sidecar->workers[i], err) != 0) {
            snapshot_unref(snapshot);
            return -1;
        }
    }
    publish(sidecar, snapshot);
    if (open_sockets(sidecar, err) != 0 || begin(sidecar, err) != 0) {
        return -1;
    }
    log_info("sidecar started", LOG_S("instance", sidecar->snapshot->instance),
             LOG_S("version", PACKAGE_VERSION), LOG_I("workers", sidecar->worker_count),
             LOG_S("engine", sidecar->engine));
    if (loop_run(sidecar->loop) != 0) {
        return error_set(err, "the event loop failed");
    }
    *err = sidecar->failure;
    return err->text[0] == '\0' ? 0 : -1;
}

static void event_free_if(struct event *event)
{
    if (event) {
        event_free(event);
    }
}

/* From the outside in: nobody new, then no threads, then what they shared. */
void sidecar_free(struct sidecar *sidecar)
{
    if (!sidecar) {
        return;
    }
    admin_free(sidecar->admin);
    membership_free(sidecar->membership);
    sidecar->membership = NULL; /* what the workers still have to say is reported to nobody */
    credentials_free(sidecar->credentials);
    sidecar->identity = sidecar->own_identity; /* that of the credentials went with them */
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_stop(sidecar->workers[i]);
    }
    handshaker_free(sidecar->handshaker);
    listeners_free(sidecar->listeners);
    for (unsigned i = 0; i < sidecar->worker_count; i++) {
        worker_free(sidecar->workers[i]);
    }
    free(sidecar->workers);
    if (sidecar->loop) {
        loop_drain(sidecar->loop);
    }
    event_free_if(sidecar->terminate);
    event_free_if(sidecar->interrupt);
    event_free_if(sidecar->hang_up);
    event_free_if(sidecar->drain_look);
    event_free_if(sidecar->look_at_use);
    forget_use(sidecar);
    loop_free(sidecar->loop);
    board_free(sidecar->board);
    snapshot_unref(sidecar->snapshot);
    identity_free(sidecar->own_identity);
    config_free(sidecar->config);
    free(sidecar);
}
