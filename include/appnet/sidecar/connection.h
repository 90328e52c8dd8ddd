/* A source's end of one connection on one worker: the replicas of its target, which come and go,
 * and among which streams are spread.
 *
 * Its state is drawn from theirs: one that works is enough. */
#ifndef APPNET_SIDECAR_CONNECTION_H
#define APPNET_SIDECAR_CONNECTION_H

#include <sys/queue.h>

#include "appnet/sidecar/connection_state.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/pool.h"

struct connection;
struct connection_wait;

/* Somebody who needs a tunnel; the caller's, until it is called back or cancelled. Called back
 * once: with a usable tunnel, or with NULL when every replica has failed to give one to those who
 * asked when he did. */
struct connection_waiter {
    TAILQ_ENTRY(connection_waiter) link;
    void (*done)(void *argument, struct tunnel *tunnel);
    void *argument;
    LIST_HEAD(, connection_wait) waits; /* the connection's */
};

/* `outbound` is that snapshot's and has its connection. `changed` is told of every change of the
 * state, in the loop's thread, never from within connection_new. With `watch`, established replicas
 * are probed from time to time; one worker doing that is enough. */
struct connection *
connection_new(struct event_base *base, struct pool *pool, const struct snapshot *snapshot,
               const struct snapshot_outbound *outbound, bool watch,
               void (*changed)(void *argument, const struct connection_state *state),
               void *argument);

/* Nobody may be waiting any more. */
void connection_free(struct connection *connection);

/* The same wire in a newer snapshot: replicas whose address stays are not touched, those whose
 * address is gone let their streams end, new ones are dialled. When it names none at all, those that
 * work are kept for as long as they do, or until others are named. */
void connection_update(struct connection *connection, const struct snapshot *snapshot,
                       const struct snapshot_outbound *outbound);

const struct connection_state *connection_state(const struct connection *connection);

/* Could a stream that one replica refuses go to another? */
bool connection_has_spare(const struct connection *connection);

/* The usable tunnel with the fewest streams of the replicas that work; if none of them has one, of
 * those that have not been measured yet; else of those that have failed. NULL: there is none. */
struct tunnel *connection_tunnel(struct connection *connection);

/* The same, but NULL rather than a replica that has failed. */
struct tunnel *connection_other_tunnel(struct connection *connection);

void connection_wait(struct connection *connection, struct connection_waiter *waiter);
void connection_wait_cancel(struct connection *connection, struct connection_waiter *waiter);

/* What a stream of this connection asks for. */
const struct stream_request *connection_request(const struct connection *connection);

/* A stream through this tunnel was refused with that reason, or got no answer. */
void connection_doubt(struct connection *connection, const struct tunnel *tunnel,
                      const char *reason);

/* Why there is no tunnel, as a reason code. */
const char *connection_no_tunnel(const struct connection *connection, const char **detail);

#endif
