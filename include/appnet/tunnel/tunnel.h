/* One HTTP/2 session (RFC 9113) over one authenticated socket, carrying many streams. Belongs to
 * one loop.
 *
 * A tunnel is made from an established socket, is ready once the peer's SETTINGS have come (with
 * TLS 1.3 this is the first word from a peer that accepts our certificate), drains after GOAWAY,
 * and ends: by the owner's wish, by the peer's, or because the peer is silent for
 * TUNNEL_DEAD_SECONDS. Whatever ends it, every stream hears of it first, then the owner, once; then
 * it is freed. */
#ifndef APPNET_TUNNEL_TUNNEL_H
#define APPNET_TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/error.h"
#include "appnet/tunnel/buffers.h"
#include "appnet/tunnel/handshaker.h"
#include "appnet/tunnel/request.h"
#include "appnet/tunnel/stream.h"

#define TUNNEL_PING_SECONDS 10 /* of silence, then a PING; also until it must be ready */
#define TUNNEL_DEAD_SECONDS 20 /* of silence, then the end */
#define TUNNEL_STREAMS_MAX 16384
#define TUNNEL_CONNECTION_WINDOW (16 << 20)

struct event_base;
struct tunnel;

struct tunnel_handlers {
    /* The peer's SETTINGS are here. */
    void (*ready)(void *owner, struct tunnel *tunnel);
    /* A peer asks for a stream (server side). To be answered now or later by stream_accept or
     * stream_reply; until then the stream may end, so a later answer needs handlers bound to it
     * now. `request` is NULL when the request could not be understood. It is good during the call.
     */
    void (*request)(void *owner, struct tunnel *tunnel, struct stream *stream,
                    const struct stream_request *request);
    /* No new streams from now on; those under way go on. */
    void (*draining)(void *owner, struct tunnel *tunnel);
    /* The tunnel is gone when this returns. */
    void (*closed)(void *owner, struct tunnel *tunnel, const char *reason);
};

/* What `appnet status` and the log show. */
struct tunnel_info {
    int64_t id;
    bool is_client, draining;
    const char *peer; /* instance name from the verified certificate */
    const char *address, *version, *cipher, *engine;
    unsigned streams;
    uint64_t sent, received; /* bytes on the wire */
    int64_t started;         /* loop_now */
};

/* Takes `established` over, also when it fails (NULL). `id` is for logs and status. */
struct tunnel *tunnel_new(struct event_base *base, struct established *established, int64_t id,
                          struct buffers *buffers, const struct tunnel_handlers *handlers,
                          void *owner, struct error *err);

/* Can it take another stream now? Not before it is ready, nor while it drains. */
bool tunnel_usable(const struct tunnel *tunnel);
unsigned tunnel_streams(const struct tunnel *tunnel);

/* Opens a stream (client side): CONNECT, or OPTIONS for a probe. Bytes may be pulled before the
 * answer. NULL when the tunnel is not usable. */
struct stream *tunnel_connect(struct tunnel *tunnel, const struct stream_request *request,
                              const struct stream_handlers *handlers, void *endpoint);

/* GOAWAY: the peer opens no further streams; the tunnel closes itself when the last one ends. */
void tunnel_drain(struct tunnel *tunnel);

/* Ends it from the next turn of the loop on; `reason` is a constant. */
void tunnel_close(struct tunnel *tunnel, const char *reason);

/* Ends it at once, without a word to its owner; not from within its callbacks. */
void tunnel_free(struct tunnel *tunnel);

/* Did it fail because the peer answered with an alert, or sent what is no record? Good within
 * `closed`. */
bool tunnel_refused(const struct tunnel *tunnel);

void tunnel_describe(const struct tunnel *tunnel, struct tunnel_info *out);

/* The log lines "tunnel up" and "tunnel down", for the owner to write at the right moment. */
void tunnel_log_up(const struct tunnel *tunnel);
void tunnel_log_down(const struct tunnel *tunnel, const char *reason);

#endif
