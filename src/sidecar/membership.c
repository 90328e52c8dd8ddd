#include "appnet/sidecar/membership.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/file.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/http/http_client.h"
#include "appnet/tunnel/pool.h"
#include "config.h"

#define STATE_MODE 0700
#define VIEW_FILE "snapshot.json"
#define REPLICA_FILE "replica"
#define LOCK_FILE "lock"
#define REPLICA_SIZE 16
#define REPLICA_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"
/* Changes that come together are reported together. */
#define COLLECT_MICROSECONDS 20000
#define REPORT_SECONDS 5

struct membership {
    struct loop *loop;
    struct handshaker *handshaker;
    const struct config *config;
    struct membership_handlers handlers;
    const struct identity *identity;
    struct address address;
    int lock; /* on state_dir */
    char *view_path;
    char replica[REPLICA_SIZE + 1];
    struct view *view;
    struct http_client *client; /* NULL: waiting to dial again */
    struct http_call *report;   /* NULL: none under way */
    struct event *dial, *hang_up, *silence, *due;
    bool connected;    /* the watch has told something */
    bool down;         /* lost, and to be hung up: what still comes is not listened to */
    bool withdrawn;    /* others are to send nothing new here */
    bool changed;      /* since the report under way was made */
    unsigned failures; /* in a row */
    int64_t contact;   /* seconds since 1970 */
    struct error trouble;
};

static void on_dial(evutil_socket_t fd, short what, void *argument);
static void on_hang_up(evutil_socket_t fd, short what, void *argument);
static void on_silence(evutil_socket_t fd, short what, void *argument);
static void on_due(evutil_socket_t fd, short what, void *argument);

/* ---- what is kept on disk ---- */

static int make_replica(const char *path, char *out, struct error *err)
{
    for (int i = 0; i < REPLICA_SIZE; i++) {
        out[i] = REPLICA_LETTERS[random_below(sizeof REPLICA_LETTERS - 1)];
    }
    out[REPLICA_SIZE] = '\0';
    return file_write(path, out, REPLICA_SIZE, 0600, false, err);
}

/* A name of its own for this replica, always the same one. */
static int load_replica(struct membership *membership, struct error *err)
{
    char *path = file_path(membership->config->state_dir, REPLICA_FILE);
    char *text = NULL;
    size_t size;
    int rc = 0;

    if (file_read(path, 64, &text, &size, NULL) == 0 && size >= REPLICA_SIZE &&
        strspn(text, REPLICA_LETTERS) >= REPLICA_SIZE) {
        memcpy(membership->replica, text, REPLICA_SIZE);
    } else {
        rc = make_replica(path, membership->replica, err);
    }
    free(text);
    free(path);
    return rc;
}

/* What is in there is one sidecar's: two would take turns at one replica's name and key. */
static int lock_state(struct membership *membership, struct error *err)
{
    const char *folder = membership->config->state_dir;
    char *path = file_path(folder, LOCK_FILE);
    char *taken = memory_printf("state_dir: another appnet-sidecar uses %s: end that one, or give "
                                "this one a folder of its own",
                                folder);
    int rc = file_lock(path, taken, &membership->lock, err);

    free(taken);
    free(path);
    return rc;
}

static void load_view(struct membership *membership)
{
    struct error err = ERROR_INIT;

    membership->view = view_load(membership->view_path, &err);
    if (!membership->view) {
        membership->view = view_new();
    }
    if (err.text[0] != '\0') {
        log_warn("saved connections not usable", LOG_S("detail", err.text));
    }
}

static void save_view(const struct membership *membership)
{
    struct error err = ERROR_INIT;

    if (view_save(membership->view, membership->view_path, &err) != 0) {
        log_error("connections not saved", LOG_S("detail", err.text));
    }
}

struct membership *membership_new(struct loop *loop, struct handshaker *handshaker,
                                  const struct config *config,
                                  const struct membership_handlers *handlers, struct error *err)
{
    struct membership *membership = memory_zalloc(sizeof *membership);
    struct event_base *base = loop_base(loop);

    membership->loop = loop;
    membership->handshaker = handshaker;
    membership->config = config;
    membership->handlers = *handlers;
    membership->lock = -1;
    membership->dial = event_new(base, -1, 0, on_dial, membership);
    membership->hang_up = event_new(base, -1, 0, on_hang_up, membership);
    membership->silence = event_new(base, -1, 0, on_silence, membership);
    membership->due = event_new(base, -1, 0, on_due, membership);
    membership->view_path = file_path(config->state_dir, VIEW_FILE);
    if (address_parse(config->registry.address, &membership->address, err) != 0 ||
        file_make_folder(config->state_dir, STATE_MODE, err) != 0 ||
        lock_state(membership, err) != 0 || load_replica(membership, err) != 0) {
        membership_free(membership);
        return NULL;
    }
    load_view(membership);
    return membership;
}

void membership_free(struct membership *membership)
{
    if (!membership) {
        return;
    }
    http_client_free(membership->client);
    event_free(membership->dial);
    event_free(membership->hang_up);
    event_free(membership->silence);
    event_free(membership->due);
    view_free(membership->view);
    free(membership->view_path);
    if (membership->lock >= 0) {
        close(membership->lock); /* the file stays, lest another be locked in its place */
    }
    free(membership);
}

const struct view *membership_view(const struct membership *membership)
{
    return membership->view;
}

/* ---- the connection to the registry ---- */

static unsigned lease_of(const struct membership *membership)
{
    return view_lease(membership->view);
}

static void wait_for_a_word(struct membership *membership)
{
    const struct timeval patience = {(time_t)lease_of(membership), 0};

    event_add(membership->silence, &patience);
}

/* The connection has ended, or must; said once for each reason. */
static void lost(struct membership *membership, const char *why)
{
    if (membership->down) {
        return;
    }
    membership->down = true;
    if (membership->connected || strcmp(membership->trouble.text, why) != 0) {
        log_warn("registry lost", LOG_S("address", membership->config->registry.address),
                 LOG_S("detail", why));
    }
    error_set(&membership->trouble, "%s", why);
    membership->connected = false;
    membership->failures++;
    event_active(membership->hang_up, EV_TIMEOUT, 0);
}

/* Not from within one of the client's own calls. */
static void on_hang_up(evutil_socket_t fd, short what, void *argument)
{
    struct membership *membership = argument;
    int64_t pause = pool_backoff(membership->failures, random_below(1000));
    const struct timeval when = {(time_t)(pause / 1000000), (suseconds_t)(pause % 1000000)};

    (void)fd;
    (void)what;
    http_client_free(membership->client);
    membership->client = NULL;
    membership->report = NULL;
    membership->changed = false; /* everything is told anew */
    event_del(membership->silence);
    event_del(membership->due);
    event_add(membership->dial, &when);
}

static void on_silence(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    lost(argument, "the registry has been silent for longer than its lease");
}

/* ---- the watch ---- */

static void connected(struct membership *membership)
{
    if (!membership->connected) {
        membership->connected = true;
        membership->failures = 0;
        membership->trouble.text[0] = '\0';
        log_info("registry connected", LOG_S("address", membership->config->registry.address),
                 LOG_S("replica", membership->replica),
                 LOG_I("revision", view_revision(membership->view)));
    }
}

static void on_line(void *argument, const char *line, size_t length)
{
    struct membership *membership = argument;
    struct error err = ERROR_INIT;
    enum view_line kind;

    /* Behind a line that was not taken, the next one would change something else than it means. */
    if (membership->down) {
        return;
    }
    if (view_take(membership->view, line, length, &kind, &err) != 0) {
        log_error("registry not understood", LOG_S("detail", err.text));
        lost(membership, err.text);
        return;
    }
    membership->contact = time(NULL);
    wait_for_a_word(membership);
    if (kind == VIEW_ALIVE) {
        return;
    }
    connected(membership);
    if (kind != VIEW_RESUME) {
        /* In this order: the disk must not hold back a removal. */
        membership->handlers.view(membership->handlers.argument);
        save_view(membership);
    }
    membership_changed(membership);
}

static void on_watch_over(void *argument, unsigned status, const char *body, size_t size,
                          const struct error *why)
{
    struct membership *membership = argument;
    json_t *problem = status != 0 && status != 200 ? json_loadb(body, size, 0, NULL) : NULL;
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    if (code && strcmp(code, "instance-removed") == 0) {
        membership->handlers.unknown(membership->handlers.argument);
    }
    lost(membership, status == 0     ? why->text
                     : status == 200 ? "the registry ended the watch"
                     : detail        ? detail
                                     : "the registry does not let this sidecar watch");
    json_decref(problem);
}

static const struct http_call_handlers watch_handlers = {on_line, on_watch_over};

static void on_dial(evutil_socket_t fd, short what, void *argument)
{
    struct membership *membership = argument;
    const struct tls_expected registry = {.who = TLS_REGISTRY};
    const char *digest = view_digest(membership->view);
    char path[64 + VIEW_DIGEST_SIZE];

    (void)fd;
    (void)what;
    membership->down = false;
    snprintf(path, sizeof path, "/v1/sidecar/watch?replica=%s%s%s", membership->replica,
             digest[0] ? "&view=" : "", digest);
    membership->client =
        http_client_new(membership->loop, membership->handshaker, &membership->address, &registry);
    http_client_request(membership->client, "GET", path, NULL, 0, 0, &watch_handlers, membership);
    wait_for_a_word(membership);
}

void membership_start(struct membership *membership)
{
    event_active(membership->dial, EV_TIMEOUT, 0);
}

/* ---- reports ---- */

/* Where the tunnels of others find us: as configured, or on the address that the registry sees. */
static json_t *advertised(const struct membership *membership)
{
    const struct config *config = membership->config;
    struct address address = config->tunnel.advertise;
    char text[ADDRESS_TEXT_SIZE];

    if (config->tunnel.listen.port == 0 || membership->withdrawn) {
        return json_null();
    }
    if (address.port == 0) {
        address = config->tunnel.listen;
        if (strcmp(address.host, "0.0.0.0") == 0 || strcmp(address.host, "::") == 0) {
            http_client_local_host(membership->client, address.host, sizeof address.host);
        }
    }
    address_format(&address, text, sizeof text);
    return json_string(text);
}

static json_t *declared_inbounds(const struct config *config)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < config->inbound_count; i++) {
        const struct config_inbound *inbound = &config->inbounds[i];
        json_array_append_new(
            list, json_pack("{s:s, s:i}", "name", inbound->name, "port", inbound->target.port));
    }
    return list;
}

static json_t *declared_outbounds(const struct config *config)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < config->outbound_count; i++) {
        const struct config_outbound *outbound = &config->outbounds[i];
        json_t *port =
            outbound->listen.port != 0 ? json_integer(outbound->listen.port) : json_null();
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "name", outbound->name, "required",
                                              outbound->required, "port", port));
    }
    return list;
}

static char *make_report(const struct membership *membership)
{
    const struct certificate_summary *summary = &membership->identity->summary;
    char not_after[TIME_TEXT_SIZE];
    json_t *report;
    char *text;

    time_format(summary->not_after, not_after, sizeof not_after);
    report = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:{s:s, s:s}}", "replica",
                       membership->replica, "version", PACKAGE_VERSION, "revision",
                       (json_int_t)view_revision(membership->view), "advertise",
                       advertised(membership), "inbounds", declared_inbounds(membership->config),
                       "outbounds", declared_outbounds(membership->config), "connections",
                       membership->handlers.report(membership->handlers.argument), "certificate",
                       "serial", summary->serial, "not_after", not_after);
    text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    return text;
}

static void report_in(struct membership *membership, int64_t microseconds)
{
    const struct timeval when = {(time_t)(microseconds / 1000000),
                                 (suseconds_t)(microseconds % 1000000)};

    event_add(membership->due, &when);
}

static void on_reported(void *argument, unsigned status, const char *body, size_t size,
                        const struct error *why)
{
    struct membership *membership = argument;
    json_t *problem = status != 0 && status != 200 ? json_loadb(body, size, 0, NULL) : NULL;
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    membership->report = NULL;
    if (status == 0) {
        lost(membership, why->text);
        return;
    }
    if (status != 200) {
        log_error("report refused", LOG_I("status", status), LOG_S("detail", detail));
    }
    membership->contact = time(NULL);
    report_in(membership, membership->changed ? COLLECT_MICROSECONDS
                                              : (int64_t)lease_of(membership) * 1000000 / 3);
    json_decref(problem);
}

static const struct http_call_handlers report_handlers = {NULL, on_reported};

static void on_due(evutil_socket_t fd, short what, void *argument)
{
    struct membership *membership = argument;
    char *text;

    (void)fd;
    (void)what;
    if (!membership->connected || membership->report) {
        return;
    }
    membership->changed = false;
    text = make_report(membership);
    membership->report =
        http_client_request(membership->client, "POST", "/v1/sidecar/report", text, strlen(text),
                            REPORT_SECONDS, &report_handlers, membership);
    free(text);
}

void membership_changed(struct membership *membership)
{
    if (!membership->connected) {
        return;
    }
    if (!membership->changed && !membership->report) {
        report_in(membership, COLLECT_MICROSECONDS);
    }
    membership->changed = true;
}

/* ---- */

void membership_reconfigure(struct membership *membership, const struct config *config)
{
    membership->config = config;
    membership_changed(membership);
}

void membership_withdraw(struct membership *membership)
{
    membership->withdrawn = true;
    membership_changed(membership);
}

void membership_identify(struct membership *membership, const struct identity *identity)
{
    membership->identity = identity;
    membership_changed(membership);
}

void membership_describe(const struct membership *membership, struct membership_info *out)
{
    *out = (struct membership_info){
        .address = membership->config->registry.address,
        .connected = membership->connected,
        .revision = view_revision(membership->view),
        .last_contact = membership->contact,
        .trouble = membership->trouble.text[0] != '\0' ? membership->trouble.text : NULL,
    };
}
