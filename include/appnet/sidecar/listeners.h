/* The listening sockets of the outbounds, opened by the control thread and handed to the workers.
 * What cannot be opened is tried again until it can, or until it is not wanted any more. */
#ifndef APPNET_SIDECAR_LISTENERS_H
#define APPNET_SIDECAR_LISTENERS_H

#include "appnet/sidecar/board.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/sidecar/worker.h"

struct listeners;

struct listeners *listeners_new(struct event_base *base, struct worker **workers,
                                unsigned worker_count, struct board *board);
void listeners_free(struct listeners *listeners);

/* To be called after the workers and the board got the snapshot: opens a socket for each connected
 * outbound that had none. One that is connected otherwise than before keeps its socket, so that no
 * application is turned away meanwhile. The workers close those that are not wanted any more. */
void listeners_apply(struct listeners *listeners, const struct snapshot *snapshot);

#endif
