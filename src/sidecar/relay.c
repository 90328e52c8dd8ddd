#include "appnet/sidecar/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/socket.h"
#include "appnet/sidecar/policy.h"

struct relay {
    LIST_ENTRY(relay) link;
    struct relay_set *set;
    struct stream *stream; /* NULL: not yet, or gone */
    struct event readable, writable;
    struct lookout_place unread; /* taken: `readable` is not waited for */
    int fd;
    bool connecting; /* target: the application has not accepted yet */
    bool opened;     /* the target's application is there */
    bool told;       /* its end is in the log: refused */
    bool has_input;  /* the socket was readable and is not read empty */
    bool input_ended;
    bool output_full;   /* waiting for `writable` */
    bool finish_due;    /* the peer has ended; to be passed on once connected */
    bool kept_alive;    /* target: its socket is */
    const char *reason; /* why it ends, if the stream's own end does not say it */
    uint64_t sent, received;
    int64_t began;
    const struct relay_guide *guide; /* source; NULL: disowned, or being cut */
    bool careful;                    /* until it is opened it can be opened anew elsewhere */
    unsigned tries;
    size_t peeked;       /* sent, and still in the socket */
    const char *refusal; /* the target's, if the stream may yet go elsewhere */
    unsigned refusal_status;
    struct relay_wire wire;
};

static const struct stream_handlers handlers;
static const char no_answer[] = "no-answer";

static void on_writable(evutil_socket_t fd, short what, void *argument);

static const char *side(const struct relay_wire *wire)
{
    return wire->is_source ? "source" : "target";
}

static void on_broken(void *owner)
{
    struct relay *relay = owner;

    relay->reason = "application-reset";
    stream_cancel(relay->stream);
}

static void watch_no_more(struct relay *relay)
{
    event_del(&relay->readable);
    lookout_add(&relay->set->unread, &relay->unread, relay->fd, relay);
}

static void age(struct relay_set *set)
{
    static const struct timeval pause = {RELAY_YOUNG_SECONDS, 0};

    if (!event_pending(&set->aged, EV_TIMEOUT, NULL)) {
        event_add(&set->aged, &pause);
    }
}

/* The newest relay is first: behind a target's that is kept alive, all are. */
static void on_aged(evutil_socket_t fd, short what, void *argument)
{
    struct relay_set *set = argument;
    struct relay *relay;

    (void)fd;
    (void)what;
    LIST_FOREACH (relay, &set->relays, link) {
        if (relay->wire.is_source) {
            continue;
        }
        if (relay->kept_alive) {
            break;
        }
        socket_keep_alive(relay->fd);
        relay->kept_alive = true;
    }
}

void relay_set_init(struct relay_set *set, struct event_base *base)
{
    set->base = base;
    LIST_INIT(&set->relays);
    LIST_INIT(&set->totals);
    atomic_init(&set->open, 0);
    lookout_init(&set->unread, base, on_broken);
    event_assign(&set->aged, base, -1, 0, on_aged, set);
}

void relay_set_clear(struct relay_set *set)
{
    struct relay_total *total;

    lookout_clear(&set->unread);
    event_del(&set->aged);
    while ((total = LIST_FIRST(&set->totals))) {
        LIST_REMOVE(total, link);
        free(total);
    }
}

const struct relay_wire *relay_wire(const struct relay *relay)
{
    return &relay->wire;
}

void relay_bytes(const struct relay *relay, uint64_t *sent, uint64_t *received)
{
    *sent = relay->sent;
    *received = relay->received;
}

static bool is_total_of(const struct relay_total *total, const struct relay_wire *wire)
{
    return total->is_source == wire->is_source && strcmp(total->outbound, wire->outbound) == 0 &&
           strcmp(total->inbound, wire->inbound) == 0 && strcmp(total->peer, wire->peer) == 0;
}

/* Another connection of the same ends has carried nothing yet. */
static void begin_anew_for(struct relay_total *total, const struct relay_wire *wire)
{
    if (strcmp(total->id, wire->id) != 0) {
        memcpy(total->id, wire->id, sizeof total->id);
        total->sent = total->received = 0;
    }
}

/* NULL: there is no memory for a wire that is new. */
static struct relay_total *total_of(struct relay_set *set, const struct relay_wire *wire)
{
    struct relay_total *total;

    LIST_FOREACH (total, &set->totals, link) {
        if (is_total_of(total, wire)) {
            begin_anew_for(total, wire);
            LIST_REMOVE(total, link);
            LIST_INSERT_HEAD(&set->totals, total, link);
            return total;
        }
    }
    total = calloc(1, sizeof *total);
    if (total) {
        total->is_source = wire->is_source;
        memcpy(total->outbound, wire->outbound, sizeof total->outbound);
        memcpy(total->inbound, wire->inbound, sizeof total->inbound);
        memcpy(total->peer, wire->peer, sizeof total->peer);
        memcpy(total->id, wire->id, sizeof total->id);
        LIST_INSERT_HEAD(&set->totals, total, link);
    }
    return total;
}

static void count_bytes(const struct relay *relay)
{
    struct relay_total *total;

    if (relay->sent + relay->received > 0 && (total = total_of(relay->set, &relay->wire))) {
        total->sent += relay->sent;
        total->received += relay->received;
    }
}

void relay_each(struct relay_set *set, void (*visit)(void *argument, struct relay *relay),
                void *argument)
{
    struct relay *relay;
    struct relay *next;

    for (relay = LIST_FIRST(&set->relays); relay; relay = next) {
        next = LIST_NEXT(relay, link);
        visit(argument, relay);
    }
}

void relay_log_refused(struct relay_set *set, const struct relay_wire *wire, unsigned status,
                       const char *reason, const char *detail)
{
    uint64_t left_out = 0;

    set->refused += !wire->probe;
    if (wire->probe || !wire->lines || rate_limit_take(wire->lines, loop_now(), &left_out)) {
        const struct log_field fields[] = {
            LOG_S("side", side(wire)),       LOG_S("outbound", wire->outbound),
            LOG_S("inbound", wire->inbound), LOG_S("peer", wire->peer),
            LOG_I("status", status),         LOG_S("reason", reason),
            LOG_S("detail", detail),         LOG_I("left_out", left_out),
        };
        log_write(wire->probe ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "stream refused", fields,
                  sizeof fields / sizeof fields[0] - (left_out == 0));
    }
}

static void tell_refused(struct relay *relay, unsigned status, const char *reason,
                         const char *detail)
{
    relay->told = true;
    relay_log_refused(relay->set, &relay->wire, status, reason, detail);
}

static void log_opened(struct relay *relay)
{
    char application[ADDRESS_TEXT_SIZE];
    char own[ADDRESS_TEXT_SIZE];

    relay->opened = true;
    relay->set->opened++;
    if (log_enabled(LOG_LEVEL_INFO)) {
        socket_peer_format(relay->fd, application, sizeof application);
        /* The target's application knows a connection by where it came from. */
        socket_local_format(relay->fd, own, sizeof own);
        log_info("stream opened", LOG_S("side", side(&relay->wire)),
                 LOG_S("outbound", relay->wire.outbound), LOG_S("inbound", relay->wire.inbound),
                 LOG_S("peer", relay->wire.peer),
                 LOG_S(relay->wire.is_source ? "client" : "target", application),
                 LOG_S("from", relay->wire.is_source ? NULL : own));
    }
}

static const char *end_text(enum stream_end end)
{
    switch (end) {
    case STREAM_FINISHED:
        return "finished";
    case STREAM_CANCELLED:
        return "application-reset";
    case STREAM_PEER_RESET:
        return "peer-reset";
    case STREAM_REFUSED:
        return "refused";
    case STREAM_TUNNEL_LOST:
        return "tunnel-lost";
    }
    return "unknown";
}

/* The one exit. */
static void close_relay(struct relay *relay, enum stream_end end)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (!relay->told && !relay->wire.probe) {
        log_info("stream closed", LOG_S("side", side(&relay->wire)),
                 LOG_S("outbound", relay->wire.outbound), LOG_S("inbound", relay->wire.inbound),
                 LOG_S("peer", relay->wire.peer), LOG_I("sent", relay->sent),
                 LOG_I("received", relay->received),
                 LOG_SECONDS("seconds", loop_now() - relay->began),
                 LOG_S("reason", relay->reason ? relay->reason : end_text(end)));
    }
    event_del(&relay->readable);
    event_del(&relay->writable);
    lookout_remove(&relay->unread);
    if (end != STREAM_FINISHED && !relay->wire.probe) {
        setsockopt(relay->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(relay->fd);
    LIST_REMOVE(relay, link);
    count_bytes(relay);
    if (!relay->wire.probe) {
        atomic_fetch_sub_explicit(&relay->set->open, 1, memory_order_relaxed);
    }
    free(relay);
}

/* ---- the stream's side ---- */

/* As much as fits is sent ahead of the answer, and no more. */
static ssize_t peek(struct relay *relay, ssize_t n)
{
    relay->peeked = (size_t)n;
    relay->sent += (uint64_t)n;
    relay->has_input = true;
    watch_no_more(relay);
    return n;
}

static ssize_t pull(void *endpoint, const struct iovec *parts, unsigned count, size_t size)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    struct relay *relay = endpoint;
    bool peeking = relay->careful && !relay->opened;
    ssize_t n;

    if (relay->input_ended || relay->connecting || relay->peeked > 0) {
        return STREAM_PULL_LATER;
    }
    if (!relay->has_input) {
        if (relay->unread.taken) {
            lookout_remove(&relay->unread);
            event_add(&relay->readable, NULL);
        }
        return STREAM_PULL_LATER;
    }
    n = recvmsg(relay->fd, &message, peeking ? MSG_PEEK : 0);
    if (n > 0 && peeking) {
        return peek(relay, n);
    }
    if (n > 0) {
        relay->sent += (uint64_t)n;
        relay->has_input = (size_t)n == size;
        return n;
    }
    if (n == 0) {
        relay->input_ended = true;
        watch_no_more(relay);
        return STREAM_PULL_END;
    }
    if (errno == EAGAIN || errno == EINTR) {
        relay->has_input = false;
        return pull(endpoint, parts, count, size);
    }
    relay->reason = "application-reset";
    return STREAM_PULL_RESET;
}

static size_t push(void *endpoint, const struct iovec *parts, unsigned count, size_t size)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    struct relay *relay = endpoint;
    ssize_t n;

    if (relay->connecting || relay->output_full) {
        return 0;
    }
    n = sendmsg(relay->fd, &message, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            relay->reason = "application-reset";
            stream_cancel(relay->stream);
            return size;
        }
        n = 0;
    }
    relay->received += (uint64_t)n;
    if ((size_t)n < size) {
        relay->output_full = true;
        event_add(&relay->writable, NULL);
    }
    return (size_t)n;
}

static void finish(void *endpoint)
{
    struct relay *relay = endpoint;

    if (relay->connecting) {
        relay->finish_due = true;
    } else if (!relay->input_ended) {
        shutdown(relay->fd, SHUT_WR);
    } /* else both have ended, and the close that follows says so */
}

/* Takes what was sent ahead out of the socket. */
static void drop_peeked(struct relay *relay)
{
    char waste[16384];

    while (relay->peeked > 0) {
        size_t size = relay->peeked < sizeof waste ? relay->peeked : sizeof waste;
        ssize_t n = recv(relay->fd, waste, size, 0);
        if (n <= 0) {
            break; /* a broken socket: the next pull finds out */
        }
        relay->peeked -= (size_t)n;
    }
    relay->peeked = 0;
}

static void opened(struct relay *relay)
{
    event_del(&relay->writable);
    event_assign(&relay->writable, relay->set->base, relay->fd, EV_WRITE, on_writable, relay);
    log_opened(relay);
    if (relay->peeked > 0) {
        drop_peeked(relay);
        stream_pull_ready(relay->stream);
    }
}

static void answer(void *endpoint, unsigned status, const char *reason)
{
    struct relay *relay = endpoint;
    const struct relay_guide *guide = relay->guide;

    if (status == 200) {
        opened(relay);
        return;
    }
    if (relay->careful && guide && relay->tries < RELAY_TRIES_MAX) {
        relay->refusal = policy_reason(reason);
        relay->refusal_status = status;
    } else {
        tell_refused(relay, status, reason[0] != '\0' ? reason : REASON_NOT_AUTHORISED,
                     "the target's sidecar refused the connection");
    }
    if (guide) {
        guide->refused(guide->argument, stream_tunnel(relay->stream), policy_reason(reason));
    }
}

/* Only what cannot have reached the target's application is said again: everything, if the target
 * refused; else nothing. */
static bool can_go_elsewhere(const struct relay *relay, enum stream_end end)
{
    if (!relay->careful || !relay->guide || relay->tries >= RELAY_TRIES_MAX) {
        return false;
    }
    if (relay->refusal) {
        return true;
    }
    return relay->sent == 0 && (end == STREAM_TUNNEL_LOST || end == STREAM_PEER_RESET ||
                                (end == STREAM_CANCELLED && relay->reason == no_answer));
}

static bool go_elsewhere(struct relay *relay, enum stream_end end)
{
    struct tunnel *tunnel;

    if (!can_go_elsewhere(relay, end) || !(tunnel = relay->guide->again(relay->guide->argument))) {
        return false;
    }
    event_del(&relay->writable);
    lookout_remove(&relay->unread);
    relay->sent = relay->peeked = 0;
    relay->has_input = relay->input_ended = false;
    relay->reason = relay->refusal = NULL;
    relay_open(relay, tunnel, relay->guide);
    return true;
}

static void tell_unopened(struct relay *relay, enum stream_end end)
{
    if (relay->refusal) {
        tell_refused(relay, relay->refusal_status, relay->refusal,
                     "the target's sidecar refused the connection");
    } else if (end == STREAM_TUNNEL_LOST) {
        tell_refused(relay, 503, REASON_UNREACHABLE, "the tunnel ended before the target answered");
    } else if (end == STREAM_PEER_RESET) {
        tell_refused(relay, 503, REASON_UNREACHABLE,
                     "the target's sidecar broke the connection off before it answered");
    }
}

static void closed(void *endpoint, enum stream_end end)
{
    struct relay *relay = endpoint;

    relay->stream = NULL;
    if (relay->wire.is_source && !relay->opened && !relay->told) {
        if (go_elsewhere(relay, end)) {
            return;
        }
        tell_unopened(relay, end);
    }
    close_relay(relay, end);
}

static const struct stream_handlers handlers = {pull, push, finish, answer, closed};

/* ---- the application's side ---- */

/* Level-triggered, and turned off only when the stream does not keep up: small requests cost no
 * epoll_ctl. */
static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct relay *relay = argument;

    (void)fd;
    (void)what;
    if (relay->has_input) {
        watch_no_more(relay);
        return;
    }
    relay->has_input = true;
    stream_pull_ready(relay->stream);
}

static int pending_error(int fd)
{
    int failure = 0;
    socklen_t size = sizeof failure;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    return failure;
}

/* Target: the application's answer to our connect; `failure` is an errno, or 0. */
static void on_connected(struct relay *relay, int failure)
{
    struct stream *stream = relay->stream;

    if (failure != 0) {
        char detail[128];
        snprintf(detail, sizeof detail, "the application does not accept: %s", strerror(failure));
        tell_refused(relay, 503, REASON_TARGET_REFUSED, detail);
        stream_reply(stream, 503, REASON_TARGET_REFUSED);
        return;
    }
    if (relay->wire.probe) {
        stream_reply(stream, 204, NULL);
        return;
    }
    relay->connecting = false;
    log_opened(relay);
    event_add(&relay->readable, NULL);
    stream_accept(stream);
    if (relay->finish_due) {
        shutdown(relay->fd, SHUT_WR);
    }
    stream_push_ready(stream);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
    struct relay *relay = argument;

    if (relay->connecting) {
        on_connected(relay, what & EV_WRITE ? pending_error(fd) : ETIMEDOUT);
        return;
    }
    relay->output_full = false;
    stream_push_ready(relay->stream);
}

/* Source: a target that has stopped thinking of the stream; the application may have left by now,
 * which cannot be told from one that waits for its answer. */
static void on_no_answer(evutil_socket_t fd, short what, void *argument)
{
    struct relay *relay = argument;

    (void)fd;
    (void)what;
    relay->reason = no_answer;
    if (relay->careful && relay->guide) {
        relay->guide->refused(relay->guide->argument, stream_tunnel(relay->stream),
                              REASON_UNREACHABLE);
    }
    stream_cancel(relay->stream);
}

void relay_prepare(int fd, bool local)
{
    socket_prepare(fd, local);
    socket_keep_alive(fd);
}

struct relay *relay_new(struct relay_set *set, int fd, const struct relay_wire *wire)
{
    struct relay *relay = calloc(1, sizeof *relay);

    if (!relay) {
        close(fd);
        return NULL;
    }
    relay->set = set;
    relay->fd = fd;
    relay->wire = *wire;
    relay->began = loop_now();
    event_assign(&relay->readable, set->base, fd, EV_READ | EV_PERSIST, on_readable, relay);
    event_assign(&relay->writable, set->base, fd, EV_WRITE, on_writable, relay);
    LIST_INSERT_HEAD(&set->relays, relay, link);
    if (!wire->probe) {
        atomic_fetch_add_explicit(&set->open, 1, memory_order_relaxed);
    }
    return relay;
}

void relay_rename(struct relay *relay, const struct relay_wire *wire)
{
    relay->wire = *wire;
}

void relay_open(struct relay *relay, struct tunnel *tunnel, const struct relay_guide *guide)
{
    static const struct timeval patience = {RELAY_ANSWER_SECONDS, 0};

    relay->guide = guide;
    relay->careful = guide->has_spare;
    relay->tries++;
    relay->stream = tunnel_connect(tunnel, guide->request, &handlers, relay);
    if (!relay->stream) {
        relay_refuse(relay, REASON_UNREACHABLE, "the tunnel takes no more streams");
        return;
    }
    event_add(&relay->readable, NULL);
    /* Nothing comes to be written before the answer. */
    event_assign(&relay->writable, relay->set->base, -1, 0, on_no_answer, relay);
    event_add(&relay->writable, &patience);
}

void relay_disown(struct relay_set *set, const struct relay_guide *guide)
{
    struct relay *relay;

    LIST_FOREACH (relay, &set->relays, link) {
        if (relay->guide == guide) {
            relay->guide = NULL;
            relay->wire.lines = NULL;
        }
    }
}

void relay_refuse(struct relay *relay, const char *reason, const char *detail)
{
    tell_refused(relay, 503, reason, detail);
    close_relay(relay, STREAM_REFUSED);
}

void relay_serve(struct relay_set *set, const struct snapshot_inbound *inbound,
                 struct stream *stream, const struct relay_wire *wire)
{
    static const struct timeval patience = {RELAY_CONNECT_SECONDS, 0};
    struct pollfd settled = {.events = POLLOUT};
    struct relay *relay;
    int fd =
        socket(inbound->resolved.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || !(relay = relay_new(set, fd, wire))) {
        relay_log_refused(set, wire, 503, REASON_TARGET_REFUSED,
                          "no socket or memory to reach the application");
        stream_reply(stream, 503, REASON_TARGET_REFUSED);
        return;
    }
    socket_prepare(fd, socket_address_is_loopback(&inbound->resolved));
    age(set);
    relay->stream = stream;
    relay->connecting = true;
    stream_bind(stream, &handlers, relay);
    if (connect(fd, (const struct sockaddr *)&inbound->resolved.storage,
                inbound->resolved.length) != 0 &&
        errno != EINPROGRESS) {
        on_connected(relay, errno);
        return;
    }
    /* On the same machine the answer is there by now: no turn of the loop is spent on it. */
    settled.fd = fd;
    if (poll(&settled, 1, 0) > 0) {
        on_connected(relay, settled.revents & (POLLERR | POLLHUP) ? pending_error(fd) : 0);
    } else {
        event_add(&relay->writable, &patience);
    }
}

void relay_cut(struct relay *relay, const char *reason)
{
    if (!relay->reason) {
        relay->reason = reason;
    }
    relay->guide = NULL;
    relay->wire.lines = NULL;
    if (relay->stream) {
        stream_cancel(relay->stream);
    } else {
        close_relay(relay, STREAM_CANCELLED);
    }
}
