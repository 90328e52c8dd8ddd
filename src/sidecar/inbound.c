#include "appnet/sidecar/inbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/sidecar/policy.h"

/* Tunnels of one worker that are logged. */
#define TUNNEL_LINES_BURST 200
#define TUNNEL_LINES_PER_SECOND 20

struct guest {
    LIST_ENTRY(guest) link;
    struct inbound_set *set;
    struct tunnel *tunnel;
    char peer[NAME_SIZE];
    struct rate_limit lines; /* of refusals in the log */
    bool is_ready;
    bool told; /* the log says that it is up */
};

struct inbound_set {
    struct event_base *base;
    struct buffers *buffers;
    struct relay_set *relays;
    struct snapshot *const *snapshot;
    LIST_HEAD(, guest) guests;
    struct rate_limit lines; /* of tunnels in the log */
    bool draining;
};

/* One that makes tunnels and drops them as fast as it can must not fill the log. */
static bool may_log(struct inbound_set *set)
{
    uint64_t left_out = 0;
    bool may = rate_limit_take(&set->lines, loop_now(), &left_out);

    if (left_out > 0) {
        log_warn("tunnels left out", LOG_S("side", "target"), LOG_I("left_out", left_out));
    }
    return may;
}

static void on_ready(void *owner, struct tunnel *tunnel)
{
    struct guest *guest = owner;

    guest->is_ready = true;
    guest->told = may_log(guest->set);
    if (guest->told) {
        tunnel_log_up(tunnel);
    }
    if (guest->set->draining) {
        tunnel_drain(tunnel);
    }
}

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    struct guest *guest = owner;
    struct inbound_set *set = guest->set;
    struct relay_wire wire = {.is_source = false, .lines = &guest->lines};
    struct policy_verdict verdict;

    (void)tunnel;
    policy_decide(*set->snapshot, guest->peer, request, &verdict);
    memcpy(wire.peer, guest->peer, sizeof wire.peer);
    if (request) {
        wire.probe = request->probe;
        memcpy(wire.outbound, request->outbound, sizeof wire.outbound);
        memcpy(wire.inbound, request->inbound, sizeof wire.inbound);
    }
    if (verdict.status != 200) {
        relay_log_refused(set->relays, &wire, verdict.status, verdict.reason, verdict.why.text);
        stream_reply(stream, verdict.status, verdict.reason);
        return;
    }
    relay_serve(set->relays, verdict.inbound, stream, &wire);
}

static void on_draining(void *owner, struct tunnel *tunnel)
{
    (void)owner; /* the source opens streams, so it is the source that stops */
    (void)tunnel;
}

/* It has proved who it is, but then did not begin to speak HTTP/2. */
static void log_unready(const struct tunnel *tunnel, const char *reason)
{
    struct tunnel_info info;

    tunnel_describe(tunnel, &info);
    log_warn("tunnel refused", LOG_S("side", "target"), LOG_S("address", info.address),
             LOG_S("peer", info.peer), LOG_S("reason", REASON_UNREACHABLE),
             LOG_S("detail", reason));
}

static void on_closed(void *owner, struct tunnel *tunnel, const char *reason)
{
    struct guest *guest = owner;

    if (guest->told) {
        tunnel_log_down(tunnel, reason);
    } else if (!guest->is_ready && may_log(guest->set)) {
        log_unready(tunnel, reason);
    }
    LIST_REMOVE(guest, link);
    free(guest);
}

static const struct tunnel_handlers handlers = {on_ready, on_request, on_draining, on_closed};

struct inbound_set *inbound_set_new(struct event_base *base, struct buffers *buffers,
                                    struct relay_set *relays, struct snapshot *const *snapshot)
{
    struct inbound_set *set = memory_zalloc(sizeof *set);

    set->base = base;
    set->buffers = buffers;
    set->relays = relays;
    set->snapshot = snapshot;
    LIST_INIT(&set->guests);
    set->lines = (struct rate_limit)RATE_LIMIT_INIT(TUNNEL_LINES_BURST, TUNNEL_LINES_PER_SECOND);
    return set;
}

void inbound_set_free(struct inbound_set *set)
{
    struct guest *guest;

    if (!set) {
        return;
    }
    while ((guest = LIST_FIRST(&set->guests))) {
        LIST_REMOVE(guest, link);
        if (guest->told) {
            tunnel_log_down(guest->tunnel, "stopped");
        }
        tunnel_free(guest->tunnel);
        free(guest);
    }
    free(set);
}

void inbound_take(struct inbound_set *set, struct established *established, int64_t id)
{
    struct guest *guest = memory_zalloc(sizeof *guest);
    struct error err = ERROR_INIT;

    guest->set = set;
    guest->lines = (struct rate_limit)RATE_LIMIT_INIT(RELAY_LINES_BURST, RELAY_LINES_PER_SECOND);
    snprintf(guest->peer, sizeof guest->peer, "%s", established->peer.instance);
    guest->tunnel = tunnel_new(set->base, established, id, set->buffers, &handlers, guest, &err);
    if (!guest->tunnel) {
        log_error("tunnel refused", LOG_S("side", "target"), LOG_S("peer", guest->peer),
                  LOG_S("detail", err.text));
        free(guest);
        return;
    }
    LIST_INSERT_HEAD(&set->guests, guest, link);
}

void inbound_drain(struct inbound_set *set)
{
    struct guest *guest;

    set->draining = true;
    LIST_FOREACH (guest, &set->guests, link) {
        tunnel_drain(guest->tunnel);
    }
}

void inbound_each_tunnel(struct inbound_set *set,
                         void (*visit)(void *argument, struct tunnel *tunnel), void *argument)
{
    struct guest *guest;

    LIST_FOREACH (guest, &set->guests, link) {
        visit(argument, guest->tunnel);
    }
}
