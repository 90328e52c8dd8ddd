#include "appnet/sidecar/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/sidecar/policy.h"

/* A probe takes the target a connect to its application, and the way. */
#define PROBE_PATIENCE INT64_C(10000000)
/* While the target has perhaps not heard of the connection. */
#define NEWS_STEP_MIN 4000
#define NEWS_STEP_MAX 64000

struct replica {
    const struct replica_target *target;
    struct address address;
    struct peer *peer;
    struct peer_observer observer;
    struct connection_state state;
    struct event *timer; /* the next probe; or, while one is under way, the end of its time */
    struct probe *probe; /* under way, or NULL */
    unsigned failures;   /* probes, in a row */
};

/* Outlives its replica if that goes first. */
struct probe {
    struct replica *replica;
    struct stream *stream;
    int64_t overdue_at; /* loop_now */
    unsigned status;    /* 0: no answer */
    char reason[64];
};

/* The one place where the state changes. */
static void set_state(struct replica *replica, enum connection_status status, const char *reason,
                      const char *detail)
{
    struct connection_state state = {.status = status, .reason = reason};

    error_set(&state.detail, "%s", detail);
    if (!connection_state_equal(&replica->state, &state)) {
        replica->state = state;
        replica->target->changed(replica->target->argument, replica);
    }
}

static void probe_in(struct replica *replica, int64_t microseconds)
{
    struct timeval when = {(time_t)(microseconds / 1000000), (suseconds_t)(microseconds % 1000000)};

    event_add(replica->timer, &when);
}

static void explain_refusal(const struct replica *replica, const char *reason, char *out,
                            size_t size)
{
    const struct stream_request *request = &replica->target->request;

    if (strcmp(reason, REASON_TARGET_REFUSED) == 0) {
        snprintf(out, size, "the application behind inbound %s of %s does not accept connections",
                 request->inbound, request->instance);
    } else if (strcmp(reason, REASON_INTERFACE_WITHDRAWN) == 0) {
        snprintf(out, size, "instance %s has no inbound %s", request->instance, request->inbound);
    } else if (strcmp(reason, REASON_UNREACHABLE) == 0) {
        snprintf(out, size, "the sidecar of %s does not answer", request->instance);
    } else {
        snprintf(out, size,
                 "instance %s does not allow outbound %s of this instance to use its inbound %s",
                 request->instance, request->outbound, request->inbound);
    }
}

static void failed(struct replica *replica, const char *reason, const char *detail)
{
    replica->failures++;
    probe_in(replica, pool_backoff(replica->failures, random_below(1000)));
    set_state(replica, CONNECTION_FAILED, reason, detail);
}

/* Perhaps the target has not heard yet of what the registry has told us. */
static bool is_news(const struct replica *replica, const char *reason)
{
    return replica->target->news != 0 && replica->state.status == CONNECTION_WAITING &&
           strcmp(reason, REASON_TARGET_REFUSED) != 0 &&
           loop_now() - replica->target->news < REPLICA_NEWS_MICROSECONDS;
}

static void refused(struct replica *replica, const char *reason)
{
    char detail[ERROR_TEXT_SIZE];

    if (is_news(replica, reason)) {
        int64_t step = NEWS_STEP_MIN << (replica->failures < 8 ? replica->failures : 8);
        replica->failures++;
        probe_in(replica, step < NEWS_STEP_MAX ? step : NEWS_STEP_MAX);
        return;
    }
    explain_refusal(replica, reason, detail, sizeof detail);
    failed(replica, reason, detail);
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
    struct replica *replica = probe->replica;

    if (replica) {
        replica->probe = NULL;
        if (probe->status == 204) {
            replica->failures = 0;
            event_del(replica->timer);
            if (replica->target->watch) {
                probe_in(replica, (int64_t)REPLICA_PROBE_SECONDS * 1000000);
            }
            set_state(replica, CONNECTION_ESTABLISHED, NULL, "");
        } else if (probe->status != 0) {
            refused(replica, policy_reason(probe->reason));
        } else if (end == STREAM_TUNNEL_LOST) {
            probe_in(replica, POOL_BACKOFF_MIN_MICROSECONDS); /* perhaps there is another */
        } else {
            failed(replica, REASON_UNREACHABLE,
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

static void send_probe(struct replica *replica)
{
    struct tunnel *tunnel = peer_tunnel(replica->peer);
    struct stream_request request = replica->target->request;
    struct probe *probe;

    if (replica->probe) {
        return;
    }
    request.probe = true;
    probe = memory_zalloc(sizeof *probe);
    probe->replica = replica;
    probe->stream = tunnel ? tunnel_connect(tunnel, &request, &probe_handlers, probe) : NULL;
    if (!probe->stream) {
        /* A new tunnel would call for a probe by itself, but one that is full says nothing when
         * there is room again. */
        free(probe);
        probe_in(replica, POOL_BACKOFF_MAX_MICROSECONDS);
        return;
    }
    probe->overdue_at = loop_now() + PROBE_PATIENCE;
    probe_in(replica, PROBE_PATIENCE);
    replica->probe = probe;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct replica *replica = argument;
    struct probe *probe = replica->probe;
    int64_t left = probe ? probe->overdue_at - loop_now() : 0;

    (void)fd;
    (void)what;
    if (!probe) {
        send_probe(replica);
    } else if (left > 0) {
        probe_in(replica, left);
    } else {
        stream_cancel(probe->stream);
    }
}

const char *replica_no_tunnel(const struct replica *replica, const char **detail)
{
    enum dial_failure kind;
    const struct error *why = peer_failure(replica->peer, &kind);

    *detail = why ? why->text : "there is no tunnel to the target's sidecar yet";
    return why && kind == DIAL_REFUSED ? REASON_TLS_REFUSED : REASON_UNREACHABLE;
}

static void on_peer_changed(void *argument)
{
    struct replica *replica = argument;
    enum dial_failure kind;
    const char *detail;
    const char *reason;

    if (peer_tunnel(replica->peer)) {
        if (replica->state.status != CONNECTION_ESTABLISHED) {
            send_probe(replica);
        }
    } else if (peer_failure(replica->peer, &kind)) {
        reason = replica_no_tunnel(replica, &detail);
        set_state(replica, CONNECTION_FAILED, reason, detail);
    } else if (!peer_has_tunnel(replica->peer)) {
        set_state(replica, CONNECTION_WAITING, NULL, "");
    } else if (replica->state.status != CONNECTION_ESTABLISHED &&
               !event_pending(replica->timer, EV_TIMEOUT, NULL)) {
        probe_in(replica, POOL_BACKOFF_MAX_MICROSECONDS); /* there may be room by then */
    }
}

struct replica *replica_new(const struct replica_target *target, const struct address *address)
{
    struct replica *replica = memory_zalloc(sizeof *replica);

    replica->target = target;
    replica->address = *address;
    replica->timer = event_new(target->base, -1, 0, on_timer, replica);
    replica->observer = (struct peer_observer){.changed = on_peer_changed, .argument = replica};
    replica->peer = pool_peer(target->pool, target->request.instance, address, &replica->observer);
    /* The peer may be there already: then the probe goes out in the next turn of the loop. */
    probe_in(replica, 0);
    return replica;
}

void replica_free(struct replica *replica)
{
    if (!replica) {
        return;
    }
    if (replica->probe) {
        replica->probe->replica = NULL;
        stream_cancel(replica->probe->stream);
    }
    event_free(replica->timer);
    peer_release(replica->peer, &replica->observer);
    free(replica);
}

const struct address *replica_address(const struct replica *replica)
{
    return &replica->address;
}

const struct connection_state *replica_state(const struct replica *replica)
{
    return &replica->state;
}

struct peer *replica_peer(struct replica *replica)
{
    return replica->peer;
}

void replica_doubt(struct replica *replica, const char *reason)
{
    refused(replica, reason);
}
