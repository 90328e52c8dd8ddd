/* One application connection inside a tunnel. The stream speaks HTTP/2 on one side; on the other it
 * pulls bytes from and pushes bytes to an endpoint, the application's socket in real life, through
 * a table of functions.
 *
 * END_STREAM is the end of one direction, RST_STREAM a reset of both. Bytes that the endpoint does
 * not take are held, counted against this stream's window only. A window begins at 64 KiB and
 * doubles up to 4 MiB while its reader keeps up. */
#ifndef APPNET_TUNNEL_STREAM_H
#define APPNET_TUNNEL_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define STREAM_WINDOW_MIN (64 << 10)
#define STREAM_WINDOW_MAX (4 << 20)
#define STREAM_PARTS_MAX 16

struct stream;
struct tunnel;

enum stream_end {
    STREAM_FINISHED,    /* both directions ended in order */
    STREAM_CANCELLED,   /* we reset it */
    STREAM_PEER_RESET,  /* the peer reset it */
    STREAM_REFUSED,     /* the peer answered that it will not */
    STREAM_TUNNEL_LOST, /* the tunnel under it ended */
};

/* What pull returns besides a number of bytes. */
#define STREAM_PULL_LATER 0    /* nothing now: stream_pull_ready follows */
#define STREAM_PULL_END (-1)   /* end of this direction */
#define STREAM_PULL_RESET (-2) /* broken: reset the stream */

struct stream_handlers {
    /* Fills up to `size` bytes for the peer into `count` parts (STREAM_PARTS_MAX at the most), one
     * after the other. */
    ssize_t (*pull)(void *endpoint, const struct iovec *parts, unsigned count, size_t size);
    /* Takes some or all of the bytes from the peer, `size` of them in `count` parts
     * (STREAM_PARTS_MAX at the most), and returns how many. When not all: stream_push_ready
     * follows. */
    size_t (*push)(void *endpoint, const struct iovec *parts, unsigned count, size_t size);
    /* The peer's direction has ended and everything is pushed. */
    void (*finish)(void *endpoint);
    /* The peer's answer (client side): 200, or a refusal with its appnet-reason; for a probe 204 or
     * a refusal. A refused stream is closed next. `reason` may be empty. */
    void (*answer)(void *endpoint, unsigned status, const char *reason);
    /* The last call: the stream is gone. May come from within stream_cancel and stream_push_ready.
     */
    void (*closed)(void *endpoint, enum stream_end end);
};

/* Server side: who gets the stream's events. To be called within tunnel_handlers.request. */
void stream_bind(struct stream *stream, const struct stream_handlers *handlers, void *endpoint);

/* Answers 200 and lets bytes flow. */
void stream_accept(struct stream *stream);

/* Answers with a final status and, when not NULL, `appnet-reason`. */
void stream_reply(struct stream *stream, unsigned status, const char *reason);

/* The endpoint has bytes, or its end, to be pulled. */
void stream_pull_ready(struct stream *stream);

/* The endpoint can take more. */
void stream_push_ready(struct stream *stream);

/* Resets the stream. */
void stream_cancel(struct stream *stream);

struct tunnel *stream_tunnel(const struct stream *stream);

#endif
