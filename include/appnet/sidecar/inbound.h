/* The target's side on one worker: the tunnels that peers have made, and what they ask for. */
#ifndef APPNET_SIDECAR_INBOUND_H
#define APPNET_SIDECAR_INBOUND_H

#include "appnet/sidecar/relay.h"
#include "appnet/tunnel/tunnel.h"

struct inbound_set;

/* `snapshot` points at the worker's current one, whatever it is at the moment of a request. */
struct inbound_set *inbound_set_new(struct event_base *base, struct buffers *buffers,
                                    struct relay_set *relays, struct snapshot *const *snapshot);

/* Ends the tunnels. */
void inbound_set_free(struct inbound_set *set);

/* Takes the socket over. */
void inbound_take(struct inbound_set *set, struct established *established, int64_t id);

/* GOAWAY on every tunnel, now and for those that still come. */
void inbound_drain(struct inbound_set *set);

void inbound_each_tunnel(struct inbound_set *set,
                         void (*visit)(void *argument, struct tunnel *tunnel), void *argument);

#endif
