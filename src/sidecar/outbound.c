#include "appnet/sidecar/outbound.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/memory.h"
#include "appnet/base/socket.h"
#include "appnet/sidecar/policy.h"

/* An application that has connected while there is no tunnel. */
struct caller {
    LIST_ENTRY(caller) link;
    struct outbound *outbound;
    struct relay *relay;
    struct peer_waiter waiter;
};

struct outbound {
    struct event_base *base;
    struct pool *pool;
    struct relay_set *relays;
    bool watch;
    void (*changed)(void *argument, const struct connection_state *state);
    void *argument;
    struct relay_wire wire;
    struct connection *connection;
    struct acceptor *acceptor; /* NULL: not listening */
    LIST_HEAD(, caller) callers;
    struct rate_limit lines; /* of refusals in the log */
};

static void on_refused(void *argument, const char *reason)
{
    struct outbound *outbound = argument;

    connection_doubt(outbound->connection, reason);
}

static void refuse(struct outbound *outbound, struct relay *relay)
{
    const char *detail;
    const char *reason = connection_no_tunnel(outbound->connection, &detail);

    relay_refuse(relay, reason, detail);
}

static void on_waited(void *argument, struct tunnel *tunnel)
{
    struct caller *caller = argument;
    struct outbound *outbound = caller->outbound;
    struct relay *relay = caller->relay;

    LIST_REMOVE(caller, link);
    free(caller);
    if (tunnel) {
        relay_open(relay, tunnel, connection_request(outbound->connection), on_refused, outbound);
    } else {
        refuse(outbound, relay);
    }
}

static void on_accepted(void *argument, int fd)
{
    struct outbound *outbound = argument;
    struct peer *peer = connection_peer(outbound->connection);
    struct tunnel *tunnel = peer_tunnel(peer);
    struct relay *relay = relay_new(outbound->relays, fd, &outbound->wire);
    struct caller *caller;

    if (!relay) {
        return;
    }
    if (tunnel) {
        relay_open(relay, tunnel, connection_request(outbound->connection), on_refused, outbound);
        return;
    }
    caller = memory_zalloc(sizeof *caller);
    caller->outbound = outbound;
    caller->relay = relay;
    caller->waiter = (struct peer_waiter){.done = on_waited, .argument = caller};
    LIST_INSERT_HEAD(&outbound->callers, caller, link);
    peer_wait(peer, &caller->waiter);
}

static void take_names(struct outbound *outbound, const struct snapshot_outbound *definition)
{
    memcpy(outbound->wire.outbound, definition->name, sizeof outbound->wire.outbound);
    memcpy(outbound->wire.inbound, definition->inbound, sizeof outbound->wire.inbound);
    memcpy(outbound->wire.peer, definition->instance, sizeof outbound->wire.peer);
}

struct outbound *outbound_new(struct event_base *base, struct pool *pool, struct relay_set *relays,
                              const struct snapshot *snapshot,
                              const struct snapshot_outbound *definition, bool watch,
                              void (*changed)(void *argument, const struct connection_state *state),
                              void *argument)
{
    struct outbound *outbound = memory_zalloc(sizeof *outbound);

    outbound->base = base;
    outbound->pool = pool;
    outbound->relays = relays;
    outbound->watch = watch;
    outbound->changed = changed;
    outbound->argument = argument;
    outbound->wire.is_source = true;
    take_names(outbound, definition);
    outbound->lines = (struct rate_limit)RATE_LIMIT_INIT(RELAY_LINES_BURST, RELAY_LINES_PER_SECOND);
    outbound->wire.lines = &outbound->lines;
    LIST_INIT(&outbound->callers);
    outbound->connection =
        connection_new(base, pool, snapshot, definition, watch, changed, argument);
    return outbound;
}

void outbound_move(struct outbound *outbound, const struct snapshot *snapshot,
                   const struct snapshot_outbound *definition)
{
    struct connection *old = outbound->connection;
    struct caller *caller;

    take_names(outbound, definition);
    relay_disown(outbound->relays, outbound);
    outbound->connection = connection_new(outbound->base, outbound->pool, snapshot, definition,
                                          outbound->watch, outbound->changed, outbound->argument);
    LIST_FOREACH (caller, &outbound->callers, link) {
        peer_wait_cancel(connection_peer(old), &caller->waiter);
        relay_rename(caller->relay, &outbound->wire);
        peer_wait(connection_peer(outbound->connection), &caller->waiter);
    }
    connection_free(old);
}

int outbound_listen(struct outbound *outbound, int fd, struct error *err)
{
    relay_prepare(fd, socket_is_local(fd));
    outbound->acceptor = acceptor_new(outbound->base, fd, on_accepted, outbound, err);
    return outbound->acceptor ? 0 : -1;
}

void outbound_free(struct outbound *outbound)
{
    struct caller *caller;

    if (!outbound) {
        return;
    }
    acceptor_free(outbound->acceptor);
    while ((caller = LIST_FIRST(&outbound->callers))) {
        LIST_REMOVE(caller, link);
        peer_wait_cancel(connection_peer(outbound->connection), &caller->waiter);
        relay_refuse(caller->relay, REASON_UNREACHABLE, "the connection was removed");
        free(caller);
    }
    relay_disown(outbound->relays, outbound);
    connection_free(outbound->connection);
    free(outbound);
}
