#include "appnet/sidecar/connection.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/sidecar/policy.h"
#include "appnet/sidecar/replica.h"

/* A waiter's place at one replica. */
struct connection_wait {
    LIST_ENTRY(connection_wait) link;
    struct connection *connection;
    struct connection_waiter *waiter;
    struct replica *replica;
    struct peer_waiter place;
};

struct connection {
    struct replica_target target;
    struct replica **replicas;
    unsigned count;
    unsigned next; /* where the next search for a tunnel begins: among equals each gets its turn */
    bool unnamed;  /* no replica is named just now; those that are there are kept while they work */
    struct connection_state state;
    struct event *draw_later;
    TAILQ_HEAD(, connection_waiter) waiters;
    void (*changed)(void *argument, const struct connection_state *state);
    void *argument;
};

/* ---- the state ---- */

/* With several replicas the sentence says which one it is of. */
static void explain(const struct connection *connection, const struct replica *replica,
                    struct connection_state *out)
{
    char text[ADDRESS_TEXT_SIZE];

    *out = *replica_state(replica);
    if (connection->count > 1) {
        address_format(replica_address(replica), text, sizeof text);
        error_prefix(&out->detail, "%s", text);
    }
}

/* One that works is enough; as long as one is not measured yet nothing has failed. */
static void draw(const struct connection *connection, struct connection_state *out)
{
    bool waiting = false;

    *out = (struct connection_state){.status = CONNECTION_WAITING};
    if (connection->count == 0) {
        out->status = CONNECTION_FAILED;
        out->reason = REASON_NO_REPLICA;
        error_set(&out->detail, "no replica of instance %s is there to connect to",
                  connection->target.request.instance);
        return;
    }
    for (unsigned i = 0; i < connection->count; i++) {
        const struct replica *replica = connection->replicas[i];
        if (replica_state(replica)->status == CONNECTION_ESTABLISHED) {
            out->status = CONNECTION_ESTABLISHED;
            return;
        }
        waiting = waiting || replica_state(replica)->status == CONNECTION_WAITING;
    }
    if (!waiting) {
        explain(connection, connection->replicas[0], out);
    }
}

static void update(struct connection *connection)
{
    struct connection_state drawn;

    draw(connection, &drawn);
    if (!connection_state_equal(&connection->state, &drawn)) {
        connection->state = drawn;
        connection->changed(connection->argument, &connection->state);
    }
}

static void on_replica_changed(void *argument, struct replica *replica)
{
    struct connection *connection = argument;
    const struct connection_state *state = replica_state(replica);
    char text[ADDRESS_TEXT_SIZE];

    if (connection->count > 1 && connection->target.watch) {
        address_format(replica_address(replica), text, sizeof text);
        log_info("replica state", LOG_S("outbound", connection->target.request.outbound),
                 LOG_S("instance", connection->target.request.instance), LOG_S("address", text),
                 LOG_S("status", connection_status_text(state->status)),
                 LOG_S("reason", state->reason),
                 LOG_S("detail", state->detail.text[0] != '\0' ? state->detail.text : NULL));
    }
    if (connection->unnamed) {
        event_active(connection->draw_later, EV_TIMEOUT, 0); /* it may have to go */
    } else {
        update(connection);
    }
}

const struct connection_state *connection_state(const struct connection *connection)
{
    return &connection->state;
}

/* ---- waiting ---- */

static void wait_free(struct connection_wait *wait)
{
    LIST_REMOVE(wait, link);
    free(wait);
}

static void leave(struct connection *connection, struct connection_waiter *waiter)
{
    struct connection_wait *wait;

    while ((wait = LIST_FIRST(&waiter->waits))) {
        peer_wait_cancel(replica_peer(wait->replica), &wait->place);
        wait_free(wait);
    }
    TAILQ_REMOVE(&connection->waiters, waiter, link);
}

static void on_place(void *argument, struct tunnel *tunnel)
{
    struct connection_wait *wait = argument;
    struct connection *connection = wait->connection;
    struct connection_waiter *waiter = wait->waiter;

    wait_free(wait);
    if (tunnel || LIST_EMPTY(&waiter->waits)) {
        leave(connection, waiter);
        waiter->done(waiter->argument, tunnel);
    }
}

static void wait_at(struct connection *connection, struct connection_waiter *waiter,
                    struct replica *replica)
{
    struct connection_wait *wait = memory_zalloc(sizeof *wait);

    wait->connection = connection;
    wait->waiter = waiter;
    wait->replica = replica;
    wait->place = (struct peer_waiter){.done = on_place, .argument = wait};
    LIST_INSERT_HEAD(&waiter->waits, wait, link);
    peer_wait(replica_peer(replica), &wait->place);
}

void connection_wait(struct connection *connection, struct connection_waiter *waiter)
{
    LIST_INIT(&waiter->waits);
    TAILQ_INSERT_TAIL(&connection->waiters, waiter, link);
    for (unsigned i = 0; i < connection->count; i++) {
        wait_at(connection, waiter, connection->replicas[i]);
    }
    if (connection->count == 0) {
        leave(connection, waiter);
        waiter->done(waiter->argument, NULL);
    }
}

void connection_wait_cancel(struct connection *connection, struct connection_waiter *waiter)
{
    leave(connection, waiter);
}

/* A replica goes: nobody waits for it any more. */
static void leave_replica(struct connection *connection, const struct replica *replica)
{
    struct connection_waiter *waiter;
    struct connection_wait *wait;
    struct connection_wait *next;

    TAILQ_FOREACH (waiter, &connection->waiters, link) {
        for (wait = LIST_FIRST(&waiter->waits); wait; wait = next) {
            next = LIST_NEXT(wait, link);
            if (wait->replica == replica) {
                peer_wait_cancel(replica_peer(wait->replica), &wait->place);
                wait_free(wait);
            }
        }
    }
}

static void refuse_the_hopeless(struct connection *connection)
{
    struct connection_waiter *waiter;
    struct connection_waiter *next;

    for (waiter = TAILQ_FIRST(&connection->waiters); waiter; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (LIST_EMPTY(&waiter->waits)) {
            leave(connection, waiter);
            waiter->done(waiter->argument, NULL);
        }
    }
}

/* ---- replicas ---- */

static struct replica *take_replica(struct connection *connection, const struct address *address)
{
    for (unsigned i = 0; i < connection->count; i++) {
        struct replica *replica = connection->replicas[i];
        if (replica && address_equal(replica_address(replica), address)) {
            connection->replicas[i] = NULL;
            return replica;
        }
    }
    return NULL;
}

static void wait_all_at(struct connection *connection, struct replica *replica)
{
    struct connection_waiter *waiter;

    TAILQ_FOREACH (waiter, &connection->waiters, link) {
        wait_at(connection, waiter, replica);
    }
}

/* Somebody who names no replica may have forgotten them, as a registry has that was just started:
 * those that work are known better here. */
static void keep_what_works(struct connection *connection)
{
    unsigned count = connection->count;

    connection->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct replica *replica = connection->replicas[i];
        if (replica_state(replica)->status == CONNECTION_ESTABLISHED) {
            connection->replicas[connection->count++] = replica;
        } else {
            leave_replica(connection, replica);
            replica_free(replica);
        }
    }
    refuse_the_hopeless(connection);
    update(connection);
}

static void on_draw_later(evutil_socket_t fd, short what, void *argument)
{
    struct connection *connection = argument;

    (void)fd;
    (void)what;
    if (connection->unnamed) {
        keep_what_works(connection);
    } else {
        update(connection);
    }
}

static void exchange_replicas(struct connection *connection, const struct snapshot *snapshot,
                              const struct snapshot_outbound *outbound)
{
    const struct address *addresses = snapshot_addresses(snapshot, outbound);
    struct replica **replicas = memory_zalloc((outbound->address_count + 1) * sizeof(void *));
    struct replica **old = connection->replicas;
    unsigned old_count = connection->count;

    for (unsigned i = 0; i < outbound->address_count; i++) {
        replicas[i] = take_replica(connection, &addresses[i]);
        if (!replicas[i]) {
            replicas[i] = replica_new(&connection->target, &addresses[i]);
            wait_all_at(connection, replicas[i]);
        }
    }
    connection->replicas = replicas;
    connection->count = outbound->address_count;
    for (unsigned i = 0; i < old_count; i++) {
        if (old[i]) {
            leave_replica(connection, old[i]);
            replica_free(old[i]);
        }
    }
    free(old);
    refuse_the_hopeless(connection);
    update(connection);
}

void connection_update(struct connection *connection, const struct snapshot *snapshot,
                       const struct snapshot_outbound *outbound)
{
    connection->unnamed = outbound->address_count == 0;
    if (connection->unnamed) {
        keep_what_works(connection);
    } else {
        exchange_replicas(connection, snapshot, outbound);
    }
}

struct connection *
connection_new(struct event_base *base, struct pool *pool, const struct snapshot *snapshot,
               const struct snapshot_outbound *outbound, bool watch,
               void (*changed)(void *argument, const struct connection_state *state),
               void *argument)
{
    static const struct timeval at_once = {0, 0};
    const struct address *addresses = snapshot_addresses(snapshot, outbound);
    struct connection *connection = memory_zalloc(sizeof *connection);
    struct stream_request *request = &connection->target.request;

    memcpy(request->inbound, outbound->inbound, sizeof request->inbound);
    memcpy(request->instance, outbound->instance, sizeof request->instance);
    memcpy(request->trust_domain, snapshot->trust_domain, sizeof request->trust_domain);
    memcpy(request->outbound, outbound->name, sizeof request->outbound);
    request->port = outbound->port;
    connection->target.base = base;
    connection->target.pool = pool;
    connection->target.watch = watch;
    connection->target.news = outbound->id[0] != '\0' ? loop_now() : 0;
    connection->target.changed = on_replica_changed;
    connection->target.argument = connection;
    connection->changed = changed;
    connection->argument = argument;
    TAILQ_INIT(&connection->waiters);
    connection->replicas = memory_zalloc((outbound->address_count + 1) * sizeof(void *));
    for (unsigned i = 0; i < outbound->address_count; i++) {
        connection->replicas[connection->count++] = replica_new(&connection->target, &addresses[i]);
    }
    connection->draw_later = event_new(base, -1, 0, on_draw_later, connection);
    event_add(connection->draw_later, &at_once);
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection) {
        return;
    }
    for (unsigned i = 0; i < connection->count; i++) {
        replica_free(connection->replicas[i]);
    }
    event_free(connection->draw_later);
    free(connection->replicas);
    free(connection);
}

/* ---- streams ---- */

/* Is a stream better sent there, as far as it is known? */
static unsigned rank(const struct replica *replica)
{
    switch (replica_state(replica)->status) {
    case CONNECTION_ESTABLISHED:
        return 2;
    case CONNECTION_WAITING:
        return 1;
    case CONNECTION_FAILED:
        break;
    }
    return 0;
}

static struct tunnel *choose(struct connection *connection, unsigned least_rank)
{
    struct tunnel *best = NULL;
    unsigned best_rank = 0;
    unsigned turn = connection->next++;

    for (unsigned i = 0; i < connection->count; i++) {
        struct replica *replica = connection->replicas[(turn + i) % connection->count];
        struct tunnel *tunnel;
        if (rank(replica) < (best ? best_rank : least_rank) ||
            !(tunnel = peer_tunnel(replica_peer(replica)))) {
            continue;
        }
        if (!best || rank(replica) > best_rank || tunnel_streams(tunnel) < tunnel_streams(best)) {
            best = tunnel;
            best_rank = rank(replica);
        }
    }
    return best;
}

struct tunnel *connection_tunnel(struct connection *connection)
{
    return choose(connection, 0);
}

struct tunnel *connection_other_tunnel(struct connection *connection)
{
    return choose(connection, 1);
}

bool connection_has_spare(const struct connection *connection)
{
    return connection->count > 1;
}

const struct stream_request *connection_request(const struct connection *connection)
{
    return &connection->target.request;
}

void connection_doubt(struct connection *connection, const struct tunnel *tunnel,
                      const char *reason)
{
    for (unsigned i = 0; i < connection->count; i++) {
        if (peer_owns(replica_peer(connection->replicas[i]), tunnel)) {
            replica_doubt(connection->replicas[i], reason);
            return;
        }
    }
}

const char *connection_no_tunnel(const struct connection *connection, const char **detail)
{
    if (connection->count == 0) {
        *detail = "no replica of the target is there";
        return REASON_NO_REPLICA;
    }
    return replica_no_tunnel(connection->replicas[0], detail);
}
