/* The tunnels of one worker to its peers: dialled when somebody needs a peer, kept warm, replaced
 * when they die. One dial at a time a peer, with backoff and jitter between failures; a dying
 * tunnel is never handed out. */
#ifndef APPNET_TUNNEL_POOL_H
#define APPNET_TUNNEL_POOL_H

#include <stdbool.h>
#include <sys/queue.h>

#include "appnet/base/address.h"
#include "appnet/base/loop.h"
#include "appnet/tunnel/handshaker.h"
#include "appnet/tunnel/tunnel.h"

#define POOL_BACKOFF_MIN_MICROSECONDS 100000
#define POOL_BACKOFF_MAX_MICROSECONDS 1000000
/* A tunnel that ends sooner than this counts as a failure of its dial. */
#define POOL_STEADY_MICROSECONDS 1000000
/* To one peer, those that drain aside: a target that lets one stream into each gets no more. */
#define POOL_TUNNELS_MAX 16

struct pool;
struct peer;

/* Told whenever a peer's tunnels change: one became usable, the last one went, or a dial failed. */
struct peer_observer {
    LIST_ENTRY(peer_observer) link;
    void (*changed)(void *argument);
    void *argument;
};

/* Somebody who needs a tunnel and waits for the dial that begins after he came, at the latest.
 * Called back once: with a usable tunnel, or with NULL when that dial has failed. */
struct peer_waiter {
    TAILQ_ENTRY(peer_waiter) link;
    void (*done)(void *argument, struct tunnel *tunnel);
    void *argument;
    uint64_t attempt; /* the pool's: which dial decides */
};

struct pool *pool_new(struct loop *loop, struct handshaker *handshaker, struct buffers *buffers,
                      int64_t (*next_tunnel_id)(void *argument), void *argument);

/* Ends all tunnels at once. All peers must have been released. */
void pool_free(struct pool *pool);

/* The peer, found or made; the dial begins at once. Each call needs a peer_release. `observer` is
 * the caller's. */
struct peer *pool_peer(struct pool *pool, const char *instance, const struct address *address,
                       struct peer_observer *observer);

/* With the last release the peer's tunnels drain away. */
void peer_release(struct peer *peer, struct peer_observer *observer);

/* The usable tunnel with the fewest streams, or NULL. */
struct tunnel *peer_tunnel(struct peer *peer);

/* Is there a tunnel that could be used if it were not full? */
bool peer_has_tunnel(const struct peer *peer);

/* Is it one of this peer's? */
bool peer_owns(const struct peer *peer, const struct tunnel *tunnel);

/* Waits for one; `waiter` is the caller's and must stay until it is called or cancelled. */
void peer_wait(struct peer *peer, struct peer_waiter *waiter);
void peer_wait_cancel(struct peer *peer, struct peer_waiter *waiter);

/* Why there is no usable tunnel: NULL, nothing has failed yet; or the failure of the last dial. */
const struct error *peer_failure(const struct peer *peer, enum dial_failure *kind);

/* Every tunnel of the pool, those that drain too. */
void pool_each_tunnel(struct pool *pool, void (*visit)(void *argument, struct tunnel *tunnel),
                      void *argument);

/* How long to wait before the next dial after `failures` (1 and up) in a row; `dice` is evenly
 * spread over 0 to 999. */
int64_t pool_backoff(unsigned failures, uint32_t dice);

#endif
