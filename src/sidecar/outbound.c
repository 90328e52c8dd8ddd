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
    struct connection_waiter waiter;
};

struct outbound {
    struct event_base *base;
    struct pool *pool;
    struct relay_set *relays;
    bool watch;
    void (*changed)(void *argument, const struct connection_state *state);
    void *argument;
    struct relay_wire wire;
    struct relay_guide guide;
    struct connection *connection;
    struct acceptor *acceptor; /* NULL: not listening */
    LIST_HEAD(, caller) callers;
    struct rate_limit lines; /* of refusals in the log */
};

static void on_refused(void *argument, struct tunnel *tunnel, const char *reason)
{
    struct outbound *outbound = argument;

    connection_doubt(outbound->connection, tunnel, reason);
}

static struct tunnel *on_again(void *argument)
{
    struct outbound *outbound = argument;

    return connection_other_tunnel(outbound->connection);
}

static void open_stream(struct outbound *outbound, struct relay *relay, struct tunnel *tunnel)
{
    outbound->guide.request = connection_request(outbound->connection);
    outbound->guide.has_spare = connection_has_spare(outbound->connection);
    relay_open(relay, tunnel, &outbound->guide);
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
        open_stream(outbound, relay, tunnel);
    } else {
        refuse(outbound, relay);
    }
}

static void on_accepted(void *argument, int fd)
{
    struct outbound *outbound = argument;
    struct tunnel *tunnel = connection_tunnel(outbound->connection);
    struct relay *relay = relay_new(outbound->relays, fd, &outbound->wire);
    struct caller *caller;

    if (!relay) {
        return;
    }
    if (tunnel) {
        open_stream(outbound, relay, tunnel);
        return;
    }
    caller = memory_zalloc(sizeof *caller);
    caller->outbound = outbound;
    caller->relay = relay;
    caller->waiter = (struct connection_waiter){.done = on_waited, .argument = caller};
    LIST_INSERT_HEAD(&outbound->callers, caller, link);
    connection_wait(outbound->connection, &caller->waiter);
}

static void take_names(struct outbound *outbound, const struct snapshot_outbound *definition)
{
    memcpy(outbound->wire.outbound, definition->name, sizeof outbound->wire.outbound);
    memcpy(outbound->wire.inbound, definition->inbound, sizeof outbound->wire.inbound);
    memcpy(outbound->wire.peer, definition->instance, sizeof outbound->wire.peer);
    memcpy(outbound->wire.id, definition->id, sizeof outbound->wire.id);
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
    outbound->guide =
        (struct relay_guide){.refused = on_refused, .again = on_again, .argument = outbound};
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
    struct caller *next;

    take_names(outbound, definition);
    relay_disown(outbound->relays, &outbound->guide);
    outbound->connection = connection_new(outbound->base, outbound->pool, snapshot, definition,
                                          outbound->watch, outbound->changed, outbound->argument);
    for (caller = LIST_FIRST(&outbound->callers); caller; caller = next) {
        next = LIST_NEXT(caller, link); /* it may be refused at once */
        connection_wait_cancel(old, &caller->waiter);
        relay_rename(caller->relay, &outbound->wire);
        connection_wait(outbound->connection, &caller->waiter);
    }
    connection_free(old);
}

void outbound_update(struct outbound *outbound, const struct snapshot *snapshot,
                     const struct snapshot_outbound *definition)
{
    connection_update(outbound->connection, snapshot, definition);
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
        connection_wait_cancel(outbound->connection, &caller->waiter);
        relay_refuse(caller->relay, REASON_UNREACHABLE, "the connection was removed");
        free(caller);
    }
    relay_disown(outbound->relays, &outbound->guide);
    connection_free(outbound->connection);
    free(outbound);
}
