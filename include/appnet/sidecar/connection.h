/* A source's end of one connection on one worker: its peer, and its state, which is measured: a
 * tunnel that is up and a probe through it that the target authorised and that reached the
 * application's port. */
#ifndef APPNET_SIDECAR_CONNECTION_H
#define APPNET_SIDECAR_CONNECTION_H

#include "appnet/base/error.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/pool.h"

#define CONNECTION_PROBE_SECONDS 10

enum connection_status { CONNECTION_WAITING, CONNECTION_ESTABLISHED, CONNECTION_FAILED };

struct connection_state {
    enum connection_status status;
    const char *reason; /* a reason code; NULL unless FAILED */
    struct error detail;
};

struct connection;

const char *connection_status_text(enum connection_status status);

/* `changed` is told of every change of the state, in the loop's thread, never from within
 * connection_new. With `watch`, an established connection is probed every CONNECTION_PROBE_SECONDS;
 * one worker doing that is enough. */
struct connection *
connection_new(struct event_base *base, struct pool *pool, const struct snapshot *snapshot,
               const struct snapshot_outbound *outbound, bool watch,
               void (*changed)(void *argument, const struct connection_state *state),
               void *argument);
void connection_free(struct connection *connection);

struct peer *connection_peer(struct connection *connection);

/* What a stream of this connection asks for. */
const struct stream_request *connection_request(const struct connection *connection);

/* A stream was refused with this reason: the state is FAILED until a probe says otherwise. */
void connection_doubt(struct connection *connection, const char *reason);

/* Why there is no tunnel, as a reason code. */
const char *connection_no_tunnel(const struct connection *connection, const char **detail);

#endif
