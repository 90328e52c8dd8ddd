/* One outbound on one worker: the socket that the application dials, wired to its connection. It
 * exists while the outbound is connected. */
#ifndef APPNET_SIDECAR_OUTBOUND_H
#define APPNET_SIDECAR_OUTBOUND_H

#include "appnet/sidecar/connection.h"
#include "appnet/sidecar/relay.h"

struct outbound;

/* `definition` has its connection. Begins to dial the peer. It takes no application connections
 * before outbound_listen. */
struct outbound *outbound_new(struct event_base *base, struct pool *pool, struct relay_set *relays,
                              const struct snapshot *snapshot,
                              const struct snapshot_outbound *definition, bool watch,
                              void (*changed)(void *argument, const struct connection_state *state),
                              void *argument);

/* Connects it to another peer or inbound, with the socket it has. Application connections that wait
 * for a tunnel wait for the new peer's; live ones are not touched. */
void outbound_move(struct outbound *outbound, const struct snapshot *snapshot,
                   const struct snapshot_outbound *definition);

/* The same wire in a newer snapshot: the target's replicas may be others. Live streams are not
 * touched. */
void outbound_update(struct outbound *outbound, const struct snapshot *snapshot,
                     const struct snapshot_outbound *definition);

/* Accepts on `fd`, a listening socket that it takes over. */
int outbound_listen(struct outbound *outbound, int fd, struct error *err);

/* Closes the socket; application connections that wait for a tunnel are refused, live ones are not
 * touched. */
void outbound_free(struct outbound *outbound);

#endif
