/* One replica of a connection's target, on one worker: the tunnels to it, and its state, which is
 * measured by probes through them.
 *
 *   WAITING -- a probe was answered 204 --> ESTABLISHED
 *      any  -- no tunnel, or refused   --> FAILED, and probed again until it works */
#ifndef APPNET_SIDECAR_REPLICA_H
#define APPNET_SIDECAR_REPLICA_H

#include "appnet/sidecar/connection_state.h"
#include "appnet/tunnel/pool.h"

/* An application that has ended is noticed so soon, though nobody uses the connection. */
#define REPLICA_PROBE_SECONDS 2
/* The registry tells both ends of a new connection at about the same time: so long a target that
 * does not know it yet is asked again at short intervals, and nothing is said of it. */
#define REPLICA_NEWS_MICROSECONDS 1000000

struct replica;

/* What the replicas of one connection share; must outlive them. */
struct replica_target {
    struct event_base *base;
    struct pool *pool;
    struct stream_request request; /* what its streams ask for */
    bool watch;                    /* an established one is probed every REPLICA_PROBE_SECONDS */
    int64_t news; /* loop_now: when the registry told of the connection; 0: files */
    /* A state has changed; in the loop's thread, never from within replica_new. */
    void (*changed)(void *argument, struct replica *replica);
    void *argument;
};

/* Begins to dial. */
struct replica *replica_new(const struct replica_target *target, const struct address *address);

/* Its tunnels drain away, unless another connection uses them. */
void replica_free(struct replica *replica);

const struct address *replica_address(const struct replica *replica);
const struct connection_state *replica_state(const struct replica *replica);
struct peer *replica_peer(struct replica *replica);

/* Why there is no tunnel, as a reason code. */
const char *replica_no_tunnel(const struct replica *replica, const char **detail);

/* A stream was refused with this reason, or got no answer (REASON_UNREACHABLE): the state is FAILED
 * until a probe says otherwise. */
void replica_doubt(struct replica *replica, const char *reason);

#endif
