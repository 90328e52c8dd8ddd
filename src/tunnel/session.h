/* What tunnel.c and stream.c share of a tunnel and its streams. Private to src/tunnel. */
#ifndef APPNET_TUNNEL_SESSION_H
#define APPNET_TUNNEL_SESSION_H

#include <sys/queue.h>

#include <event2/event.h>
#include <nghttp2/nghttp2.h>

#include "appnet/tunnel/sender.h"
#include "appnet/tunnel/tunnel.h"
#include "holding.h"

#define REASON_SIZE 64

/* Windows may grow by this much over all streams of a tunnel together: what readers that stop can
 * make us hold. */
#define TUNNEL_GROWTH_MAX (64 << 20)

/* The header fields of the request or answer that is arriving; a connection's header blocks never
 * mix. */
struct head {
    char method[16];
    char authority[REQUEST_AUTHORITY_SIZE];
    char outbound[NAME_SIZE];
    char reason[REASON_SIZE];
    unsigned status;
    size_t size; /* of all fields, as RFC 9113, section 10.5.1, counts it */
    bool has_outbound;
    bool malformed;
};

/* What came for one stream in a row of records, still lying in the receive buffer: its endpoint
 * gets it in one piece. Handed over before anything else happens to the stream, when another
 * stream's bytes come, and before the receive buffer is used again. */
struct gathered {
    struct stream *stream; /* NULL: nothing */
    struct iovec parts[STREAM_PARTS_MAX];
    unsigned count;
    size_t size;
};

struct tunnel {
    struct event *readable, *writable, *flush, *keepalive;
    nghttp2_session *session;
    struct established *established;
    struct sender sender;
    struct buffers *buffers;
    struct receive_buffer *received; /* NULL: nothing half-received */
    struct gathered gathered;
    const struct tunnel_handlers *handlers;
    void *owner;
    int64_t id, started, last_heard;
    uint64_t received_bytes;
    LIST_HEAD(, stream) streams;
    unsigned stream_count;
    int64_t grown; /* by how much windows are above STREAM_WINDOW_MIN, summed */
    struct head head;
    size_t pulled; /* bytes of the DATA frame being made */
    bool is_ready, is_draining, final_goaway_due;
    bool blocked; /* the socket takes no more: waiting for `writable` */
    bool full;    /* nghttp2 had more than the sender had room for */
    bool failed;
    bool refused;                 /* by the record layer */
    char reason[ERROR_TEXT_SIZE]; /* why it failed */
};

struct stream {
    LIST_ENTRY(stream) link;
    struct tunnel *tunnel;
    const struct stream_handlers *handlers; /* NULL: nobody listens (any more) */
    void *endpoint;
    struct buffers *buffers; /* the thread's: they outlive the tunnel */
    struct holding held;     /* bytes that the endpoint has not taken */
    int32_t id;
    int32_t window;
    int64_t since_growth; /* bytes that came since the window was what it is */
    enum stream_end end;  /* what to tell when it is over */
    uint32_t reset_code;
    bool in_session; /* nghttp2 knows it */
    bool probe;
    bool is_bulk;  /* the last pull filled all the room there was: the next may be offered more */
    bool answered; /* client: the answer came; server: it is given */
    bool peer_finished; /* END_STREAM has come */
    bool we_finished;   /* END_STREAM is on its way out */
    bool told_finish;
    bool head_due;  /* server: our answer has not left yet */
    bool reset_due; /* to follow it, with reset_code */
    bool pushing;   /* the endpoint is being given what was held */
    bool doomed;    /* cancelled or refused: what still comes is thrown away */
};

struct stream *stream_new(struct tunnel *tunnel, int32_t id, bool probe);

/* nghttp2's read callback for DATA of a stream. */
ssize_t stream_read(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length,
                    uint32_t *flags, nghttp2_data_source *source, void *user);

/* What came in. */
void stream_data(struct stream *stream, const uint8_t *data, size_t size);
void stream_hand_over(struct tunnel *tunnel);
void stream_end_of_data(struct stream *stream);
void stream_answer(struct stream *stream, const struct head *head);

/* Our answer has left. */
void stream_head_sent(struct stream *stream);

/* nghttp2 is done with it, or the tunnel is lost. */
void stream_left_session(struct stream *stream, uint32_t error_code);
void stream_lost(struct stream *stream);

/* Something is to be sent: a flush follows in this turn of the loop. */
void tunnel_schedule(struct tunnel *tunnel);

#endif
