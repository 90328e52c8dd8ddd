/* The control thread's view of every outbound's connection: what the workers have measured and
 * whether the socket is open, drawn together into one state. No I/O. */
#ifndef APPNET_SIDECAR_BOARD_H
#define APPNET_SIDECAR_BOARD_H

#include "appnet/sidecar/connection_state.h"
#include "appnet/sidecar/snapshot.h"

struct board;

/* `changed` is told when the drawn-together state of a connected outbound changes. */
struct board *board_new(unsigned workers,
                        void (*changed)(void *argument, const struct snapshot_outbound *outbound,
                                        const struct connection_state *state),
                        void *argument);
void board_free(struct board *board);

/* Takes over which outbounds there are. Those that are new or connected otherwise than before begin
 * as WAITING. */
void board_apply(struct board *board, const struct snapshot *snapshot);

/* A worker has measured. `wire` is what it has measured: a word that was on its way while the
 * outbound went, or was connected otherwise, is ignored. */
void board_report(struct board *board, unsigned worker, const struct snapshot_outbound *wire,
                  const struct connection_state *state);

/* The outbound's socket is open (why NULL), or could not be opened. */
void board_listening(struct board *board, const char *outbound, const struct error *why);

/* NULL: no such outbound, or it is not connected. */
const struct connection_state *board_state(const struct board *board, const char *outbound);

#endif
