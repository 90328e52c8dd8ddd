#include "appnet/tunnel/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"

/* One tunnel in a peer's list. */
struct lane {
    LIST_ENTRY(lane) link;
    struct peer *peer;
    struct tunnel *tunnel;
    bool was_ready;
    bool leaving; /* drains or is closed: another one takes its place */
    int64_t ready_at;
};

/* A dial under way; outlives its peer if that is released meanwhile. */
struct attempt {
    struct peer *peer; /* NULL: released */
};

/* released -> its tunnels drain -> the last one closed -> freed */
struct peer {
    LIST_ENTRY(peer) link;
    struct pool *pool;
    char instance[NAME_SIZE];
    struct address address;
    unsigned references;
    LIST_HEAD(, peer_observer) observers;
    TAILQ_HEAD(, peer_waiter) waiters;
    LIST_HEAD(, lane) lanes;
    struct attempt *attempt; /* NULL: none under way, counted from the dial to SETTINGS */
    struct lane *pending;    /* its handshake is done, its SETTINGS have not come */
    uint64_t attempts;       /* begun so far */
    unsigned failures;       /* in a row */
    enum dial_failure failure;
    struct error why;
    struct event *retry;
};

struct pool {
    struct loop *loop;
    struct handshaker *handshaker;
    struct buffers *buffers;
    int64_t (*next_tunnel_id)(void *argument);
    void *argument;
    LIST_HEAD(, peer) peers;
};

static const struct tunnel_handlers handlers;

static void dial(struct peer *peer);

int64_t pool_backoff(unsigned failures, uint32_t dice)
{
    int64_t step = POOL_BACKOFF_MIN_MICROSECONDS;

    while (failures > 1 && step < POOL_BACKOFF_MAX_MICROSECONDS) {
        step *= 2;
        failures--;
    }
    if (step > POOL_BACKOFF_MAX_MICROSECONDS) {
        step = POOL_BACKOFF_MAX_MICROSECONDS;
    }
    /* From half to the whole step, so that many sources do not come back at the same moment. */
    return step / 2 + step / 2 * (int64_t)dice / 999;
}

static void notify(struct peer *peer)
{
    struct peer_observer *observer;
    struct peer_observer *next;

    for (observer = LIST_FIRST(&peer->observers); observer; observer = next) {
        next = LIST_NEXT(observer, link);
        observer->changed(observer->argument);
    }
}

/* Calls back those for whom there is room in a tunnel; the others wait for another one. */
static void serve_waiters(struct peer *peer)
{
    struct peer_waiter *waiter;
    struct tunnel *tunnel;

    while ((waiter = TAILQ_FIRST(&peer->waiters)) && (tunnel = peer_tunnel(peer))) {
        TAILQ_REMOVE(&peer->waiters, waiter, link);
        waiter->done(waiter->argument, tunnel);
    }
    if (waiter) {
        dial(peer);
    }
}

/* Calls back those whose dial has failed. Those who came later stand behind them. */
static void refuse_waiters(struct peer *peer)
{
    struct peer_waiter *waiter;

    while ((waiter = TAILQ_FIRST(&peer->waiters)) && waiter->attempt <= peer->attempts) {
        TAILQ_REMOVE(&peer->waiters, waiter, link);
        waiter->done(waiter->argument, NULL);
    }
}

static void retry_later(struct peer *peer)
{
    int64_t pause = pool_backoff(peer->failures, random_below(1000));
    struct timeval when = {(time_t)(pause / 1000000), (suseconds_t)(pause % 1000000)};

    event_add(peer->retry, &when);
}

static void attempt_failed(struct peer *peer, enum dial_failure failure, const char *why)
{
    char text[ADDRESS_TEXT_SIZE];

    peer->failures++;
    peer->failure = failure;
    address_format(&peer->address, text, sizeof text);
    if (strcmp(peer->why.text, why) != 0 || peer->failures == 1) {
        /* Said once, not at every retry. */
        log_warn("tunnel refused", LOG_S("side", "source"), LOG_S("address", text),
                 LOG_S("expected", peer->instance),
                 LOG_S("reason", failure == DIAL_REFUSED ? "tls-refused" : "unreachable"),
                 LOG_S("detail", why));
    }
    error_set(&peer->why, "%s", why);
    retry_later(peer);
    refuse_waiters(peer);
    notify(peer);
}

static void free_if_done(struct peer *peer)
{
    if (peer->references == 0 && LIST_EMPTY(&peer->lanes)) {
        LIST_REMOVE(peer, link);
        event_free(peer->retry);
        free(peer);
    }
}

static void there_is_a_tunnel(struct peer *peer)
{
    peer->why.text[0] = '\0';
    serve_waiters(peer);
    notify(peer);
}

static void on_tunnel_ready(void *owner, struct tunnel *tunnel)
{
    struct lane *lane = owner;
    struct peer *peer = lane->peer;

    lane->was_ready = true;
    lane->ready_at = loop_now();
    peer->pending = NULL;
    tunnel_log_up(tunnel);
    if (peer->references == 0) {
        tunnel_drain(tunnel);
    } else if (tunnel_usable(tunnel)) {
        there_is_a_tunnel(peer);
    } else {
        attempt_failed(peer, DIAL_UNREACHABLE, "the target's sidecar takes no streams");
    }
}

/* Unless the tunnel has just come: a target that takes tunnels and drops them is not dialled in a
 * circle. */
static void take_place_of(struct lane *lane)
{
    struct peer *peer = lane->peer;

    if (lane->leaving) {
        return;
    }
    lane->leaving = true;
    if (loop_now() - lane->ready_at >= POOL_STEADY_MICROSECONDS) {
        peer->failures = 0;
        dial(peer);
    } else if (!peer->attempt && !peer->pending) {
        peer->failures++;
        retry_later(peer);
    }
}

static void on_tunnel_draining(void *owner, struct tunnel *tunnel)
{
    struct lane *lane = owner;

    (void)tunnel;
    if (lane->was_ready && lane->peer->references > 0) {
        take_place_of(lane);
        notify(lane->peer);
    }
}

static void on_tunnel_closed(void *owner, struct tunnel *tunnel, const char *reason)
{
    struct lane *lane = owner;
    struct peer *peer = lane->peer;
    bool was_ready = lane->was_ready;
    bool refused = tunnel_refused(tunnel);

    LIST_REMOVE(lane, link);
    if (was_ready) {
        tunnel_log_down(tunnel, reason);
    } else {
        peer->pending = NULL;
    }
    if (peer->references == 0) {
        free_if_done(peer);
    } else if (was_ready) {
        take_place_of(lane);
        notify(peer);
    } else {
        /* With TLS 1.3 a target's refusal of our certificate comes after our side of the handshake.
         */
        attempt_failed(peer, refused ? DIAL_REFUSED : DIAL_UNREACHABLE, reason);
    }
    free(lane);
}

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    (void)owner;
    (void)tunnel;
    (void)request;
    stream_reply(stream, 405, NULL); /* a target opens no streams towards its source */
}

static const struct tunnel_handlers handlers = {on_tunnel_ready, on_request, on_tunnel_draining,
                                                on_tunnel_closed};

static void on_dialled(void *argument, struct established *established, enum dial_failure failure,
                       const struct error *why)
{
    struct attempt *attempt = argument;
    struct peer *peer = attempt->peer;
    struct error err = ERROR_INIT;
    struct pool *pool;
    struct lane *lane;

    free(attempt);
    if (!peer) {
        established_free(established);
        return;
    }
    pool = peer->pool;
    peer->attempt = NULL;
    if (!established) {
        attempt_failed(peer, failure, why->text);
        return;
    }
    lane = memory_zalloc(sizeof *lane);
    lane->peer = peer;
    lane->tunnel =
        tunnel_new(loop_base(pool->loop), established, pool->next_tunnel_id(pool->argument),
                   pool->buffers, &handlers, lane, &err);
    if (!lane->tunnel) {
        free(lane);
        attempt_failed(peer, DIAL_UNREACHABLE, err.text);
        return;
    }
    LIST_INSERT_HEAD(&peer->lanes, lane, link);
    peer->pending = lane;
}

static bool has_its_tunnels(const struct peer *peer)
{
    const struct lane *lane;
    unsigned count = 0;

    LIST_FOREACH (lane, &peer->lanes, link) {
        count += !lane->leaving;
    }
    return count >= POOL_TUNNELS_MAX;
}

/* Unless one is under way, or there is a usable tunnel. */
static void dial(struct peer *peer)
{
    static const struct timeval at_once = {0, 0};
    const struct tls_expected expected = tls_expect(peer->instance);
    struct pool *pool = peer->pool;

    if (peer->attempt || peer->pending || peer->references == 0 || peer_tunnel(peer)) {
        return;
    }
    if (has_its_tunnels(peer)) {
        if (!event_pending(peer->retry, EV_TIMEOUT, NULL)) {
            event_add(peer->retry, &at_once);
        }
        return;
    }
    event_del(peer->retry);
    peer->attempt = memory_zalloc(sizeof *peer->attempt);
    peer->attempt->peer = peer;
    peer->attempts++;
    handshaker_dial(pool->handshaker, &peer->address, &expected, pool->loop, on_dialled,
                    peer->attempt);
}

static void on_retry(evutil_socket_t fd, short what, void *argument)
{
    struct peer *peer = argument;

    (void)fd;
    (void)what;
    if (peer_tunnel(peer)) {
        there_is_a_tunnel(peer); /* streams have ended, and made room */
    } else if (has_its_tunnels(peer)) {
        peer->attempts++;
        attempt_failed(peer, DIAL_UNREACHABLE, "the target's sidecar takes no more streams");
    } else {
        dial(peer);
    }
}

struct pool *pool_new(struct loop *loop, struct handshaker *handshaker, struct buffers *buffers,
                      int64_t (*next_tunnel_id)(void *argument), void *argument)
{
    struct pool *pool = memory_zalloc(sizeof *pool);

    pool->loop = loop;
    pool->handshaker = handshaker;
    pool->buffers = buffers;
    pool->next_tunnel_id = next_tunnel_id;
    pool->argument = argument;
    LIST_INIT(&pool->peers);
    return pool;
}

void pool_free(struct pool *pool)
{
    struct peer *peer;

    if (!pool) {
        return;
    }
    while ((peer = LIST_FIRST(&pool->peers))) {
        struct lane *lane;
        while ((lane = LIST_FIRST(&peer->lanes))) {
            LIST_REMOVE(lane, link);
            tunnel_log_down(lane->tunnel, "stopped");
            tunnel_free(lane->tunnel);
            free(lane);
        }
        free_if_done(peer);
    }
    free(pool);
}

struct peer *pool_peer(struct pool *pool, const char *instance, const struct address *address,
                       struct peer_observer *observer)
{
    struct peer *peer;

    LIST_FOREACH (peer, &pool->peers, link) {
        /* A released one only waits for its tunnels to drain away. */
        if (peer->references > 0 && strcmp(peer->instance, instance) == 0 &&
            address_equal(&peer->address, address)) {
            break;
        }
    }
    if (!peer) {
        peer = memory_zalloc(sizeof *peer);
        peer->pool = pool;
        snprintf(peer->instance, sizeof peer->instance, "%s", instance);
        peer->address = *address;
        LIST_INIT(&peer->observers);
        TAILQ_INIT(&peer->waiters);
        LIST_INIT(&peer->lanes);
        peer->retry = event_new(loop_base(pool->loop), -1, 0, on_retry, peer);
        LIST_INSERT_HEAD(&pool->peers, peer, link);
    }
    peer->references++;
    LIST_INSERT_HEAD(&peer->observers, observer, link);
    dial(peer);
    return peer;
}

void peer_release(struct peer *peer, struct peer_observer *observer)
{
    struct lane *lane;

    LIST_REMOVE(observer, link);
    if (--peer->references > 0) {
        return;
    }
    event_del(peer->retry);
    if (peer->attempt) {
        peer->attempt->peer = NULL;
        peer->attempt = NULL;
    }
    LIST_FOREACH (lane, &peer->lanes, link) {
        tunnel_drain(lane->tunnel);
    }
    free_if_done(peer);
}

struct tunnel *peer_tunnel(struct peer *peer)
{
    struct tunnel *best = NULL;
    struct lane *lane;

    LIST_FOREACH (lane, &peer->lanes, link) {
        if (tunnel_usable(lane->tunnel) &&
            (!best || tunnel_streams(lane->tunnel) < tunnel_streams(best))) {
            best = lane->tunnel;
        }
    }
    return best;
}

bool peer_has_tunnel(const struct peer *peer)
{
    const struct lane *lane;

    LIST_FOREACH (lane, &peer->lanes, link) {
        if (lane->was_ready && !lane->leaving) {
            return true;
        }
    }
    return false;
}

bool peer_owns(const struct peer *peer, const struct tunnel *tunnel)
{
    const struct lane *lane;

    LIST_FOREACH (lane, &peer->lanes, link) {
        if (lane->tunnel == tunnel) {
            return true;
        }
    }
    return false;
}

void peer_wait(struct peer *peer, struct peer_waiter *waiter)
{
    waiter->attempt = peer->attempts + 1;
    TAILQ_INSERT_TAIL(&peer->waiters, waiter, link);
    /* Every tunnel may be full, with no dial planned. After a failure the backoff decides when. */
    if (!event_pending(peer->retry, EV_TIMEOUT, NULL)) {
        dial(peer);
    }
}

void peer_wait_cancel(struct peer *peer, struct peer_waiter *waiter)
{
    TAILQ_REMOVE(&peer->waiters, waiter, link);
}

const struct error *peer_failure(const struct peer *peer, enum dial_failure *kind)
{
    *kind = peer->failure;
    return peer->why.text[0] != '\0' ? &peer->why : NULL;
}

void pool_each_tunnel(struct pool *pool, void (*visit)(void *argument, struct tunnel *tunnel),
                      void *argument)
{
    struct peer *peer;
    struct lane *lane;

    LIST_FOREACH (peer, &pool->peers, link) {
        LIST_FOREACH (lane, &peer->lanes, link) {
            visit(argument, lane->tunnel);
        }
    }
}
