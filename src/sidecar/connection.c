#include "appnet/sidecar/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/sidecar/policy.h"

/* A probe takes the target a connect to its application, and the way. */
#define PROBE_PATIENCE ((int64_t)CONNECTION_PROBE_SECONDS * 1000000)

struct connection {
    struct pool *pool;
    struct peer *peer;
    struct peer_observer observer;
    struct stream_request request;
    struct connection_state state;
    struct event *timer; /* the next probe; or, while one is under way, the end of its time */
    struct probe *probe; /* under way, or NULL */
    unsigned failures;   /* probes, in a row */
    bool watch;
    void (*changed)(void *argument, const struct connection_state *state);
    void *argument;
};

/* Outlives its connection if that goes first. */
struct probe {
    struct connection *connection;
    struct stream *stream;
    int64_t overdue_at; /* loop_now */
    unsigned status;    /* 0: no answer */
    char reason[64];
};

const char *connection_status_text(enum connection_status status)
{
    switch (status) {
    case CONNECTION_WAITING:
        return "WAITING";
    case CONNECTION_ESTABLISHED:
        return "ESTABLISHED";
    case CONNECTION_FAILED:
        return "FAILED";
    }
    return "UNKNOWN";
}

/* Reason codes are ours even when a peer sends them. */
static const char *known_reason(const char *reason)
{
    static const char *const known[] = {REASON_NOT_AUTHORISED, REASON_TARGET_REFUSED,
                                        REASON_INTERFACE_WITHDRAWN};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], reason) == 0) {
            return known[i];
        }
    }
    return REASON_NOT_AUTHORISED;
}

/* The one place where the state changes. */
static void set_state(struct connection *connection, enum connection_status status,
                      const char *reason, const char *detail)
{
    struct connection_state *state = &connection->state;

    if (state->status == status && state->reason == reason &&
        strcmp(state->detail.text, detail) == 0) {
        return;
    }
    state->status = status;
    state->reason = reason;
    error_set(&state->detail, "%s", detail);
    connection->changed(connection->argument, state);
}

static void probe_in(struct connection *connection, int64_t microseconds)
{
    struct timeval when = {(time_t)(microseconds / 1000000), (suseconds_t)(microseconds % 1000000)};

    event_add(connection->timer, &when);
}

static void explain_refusal(struct connection *connection, const char *reason, char *out,
                            size_t size)
{
    const struct stream_request *request = &connection->request;

    if (strcmp(reason, REASON_TARGET_REFUSED) == 0) {
        snprintf(out, size, "the application behind inbound %s of %s does not accept connections",
                 request->inbound, request->instance);
    } else if (strcmp(reason, REASON_INTERFACE_WITHDRAWN) == 0) {
        snprintf(out, size, "instance %s has no inbound %s", request->instance, request->inbound);
    } else {
        snprintf(out, size,
                 "instance %s does not allow outbound %s of this instance to use its inbound %s",
                 request->instance, request->outbound, request->inbound);
    }
}

static void failed(struct connection *connection, const char *reason, const char *detail)
{
    connection->failures++;
    probe_in(connection, pool_backoff(connection->failures, random_below(1000)));
    set_state(connection, CONNECTION_FAILED, reason, detail);
}

static void refused(struct connection *connection, const char *wire_reason)
{
    const char *reason = known_reason(wire_reason);
    char detail[ERROR_TEXT_SIZE];

    explain_refusal(connection, reason, detail, sizeof detail);
    failed(connection, reason, detail);
}

static void on_probe_answer(void *endpoint, unsigned status, const char *reason)
{
    struct probe *probe = endpoint;

    probe->status = status;
    snprintf(probe->reason, sizeof probe->reason, "%s", reason);
}

static void on_probe_closed(void *endpoint, enum stream_end end)
{
    struct probe *probe = endpoint;
    struct connection *connection = probe->connection;

    if (connection) {
        connection->probe = NULL;
        if (probe->status == 204) {
            connection->failures = 0;
            event_del(connection->timer);
            if (connection->watch) {
                probe_in(connection, (int64_t)CONNECTION_PROBE_SECONDS * 1000000);
            }
            set_state(connection, CONNECTION_ESTABLISHED, NULL, "");
        } else if (probe->status != 0) {
            refused(connection, probe->reason);
        } else if (end == STREAM_TUNNEL_LOST) {
            probe_in(connection, POOL_BACKOFF_MIN_MICROSECONDS); /* perhaps there is another */
        } else {
            failed(connection, REASON_UNREACHABLE,
                   "the target's sidecar does not say whether it would carry a connection");
        }
    }
    free(probe);
}

static size_t on_probe_push(void *endpoint, const struct iovec *parts, unsigned count, size_t size)
{
    (void)endpoint;
    (void)parts;
    (void)count;
    return size;
}

static void on_probe_finish(void *endpoint)
{
    (void)endpoint;
}

static const struct stream_handlers probe_handlers = {.push = on_probe_push,
                                                      .finish = on_probe_finish,
                                                      .answer = on_probe_answer,
                                                      .closed = on_probe_closed};

static void send_probe(struct connection *connection)
{
    struct tunnel *tunnel = peer_tunnel(connection->peer);
    struct stream_request request = connection->request;
    struct probe *probe;

    if (connection->probe) {
        return;
    }
    request.probe = true;
    probe = memory_zalloc(sizeof *probe);
    probe->connection = connection;
    probe->stream = tunnel ? tunnel_connect(tunnel, &request, &probe_handlers, probe) : NULL;
    if (!probe->stream) {
        /* A new tunnel would call for a probe by itself, but one that is full says nothing when
         * there is room again. */
        free(probe);
        probe_in(connection, POOL_BACKOFF_MAX_MICROSECONDS);
        return;
    }
    probe->overdue_at = loop_now() + PROBE_PATIENCE;
    probe_in(connection, PROBE_PATIENCE);
    connection->probe = probe;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct connection *connection = argument;
    struct probe *probe = connection->probe;
    int64_t left = probe ? probe->overdue_at - loop_now() : 0;

    (void)fd;
    (void)what;
    if (!probe) {
        send_probe(connection);
    } else if (left > 0) {
        probe_in(connection, left);
    } else {
        stream_cancel(probe->stream);
    }
}

const char *connection_no_tunnel(const struct connection *connection, const char **detail)
{
    enum dial_failure kind;
    const struct error *why = peer_failure(connection->peer, &kind);

    *detail = why ? why->text : "there is no tunnel to the target's sidecar yet";
    return why && kind == DIAL_REFUSED ? REASON_TLS_REFUSED : REASON_UNREACHABLE;
}

static void on_peer_changed(void *argument)
{
    struct connection *connection = argument;
    enum dial_failure kind;
    const char *detail;
    const char *reason;

    if (peer_tunnel(connection->peer)) {
        if (connection->state.status != CONNECTION_ESTABLISHED) {
            send_probe(connection);
        }
    } else if (peer_failure(connection->peer, &kind)) {
        reason = connection_no_tunnel(connection, &detail);
        set_state(connection, CONNECTION_FAILED, reason, detail);
    } else if (!peer_has_tunnel(connection->peer)) {
        set_state(connection, CONNECTION_WAITING, NULL, "");
    } else if (connection->state.status != CONNECTION_ESTABLISHED &&
               !event_pending(connection->timer, EV_TIMEOUT, NULL)) {
        probe_in(connection, POOL_BACKOFF_MAX_MICROSECONDS); /* there may be room by then */
    }
}

struct connection *
connection_new(struct event_base *base, struct pool *pool, const struct snapshot *snapshot,
               const struct snapshot_outbound *outbound, bool watch,
               void (*changed)(void *argument, const struct connection_state *state),
               void *argument)
{
    struct connection *connection = memory_zalloc(sizeof *connection);
    struct stream_request *request = &connection->request;

    connection->pool = pool;
    connection->watch = watch;
    connection->changed = changed;
    connection->argument = argument;
    memcpy(request->inbound, outbound->inbound, sizeof request->inbound);
    memcpy(request->instance, outbound->instance, sizeof request->instance);
    memcpy(request->trust_domain, snapshot->trust_domain, sizeof request->trust_domain);
    memcpy(request->outbound, outbound->name, sizeof request->outbound);
    request->port = outbound->listen.port;
    connection->timer = event_new(base, -1, 0, on_timer, connection);
    connection->observer =
        (struct peer_observer){.changed = on_peer_changed, .argument = connection};
    connection->peer =
        pool_peer(pool, outbound->instance, &outbound->address, &connection->observer);
    /* The peer may be there already: then the probe goes out in the next turn of the loop. */
    probe_in(connection, 0);
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection) {
        return;
    }
    if (connection->probe) {
        connection->probe->connection = NULL;
        stream_cancel(connection->probe->stream);
    }
    event_free(connection->timer);
    peer_release(connection->peer, &connection->observer);
    free(connection);
}

struct peer *connection_peer(struct connection *connection)
{
    return connection->peer;
}

const struct stream_request *connection_request(const struct connection *connection)
{
    return &connection->request;
}

void connection_doubt(struct connection *connection, const char *reason)
{
    refused(connection, reason);
}
