#include "appnet/tunnel/tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "config.h"
#include "session.h"

/* Unsent bytes in the kernel beyond which small requests would queue behind bulk. */
#define NOTSENT_LOWAT (128 << 10)
#define HEADER_LIST_MAX 8192
/* Between "open no more" and the GOAWAY that says which streams were still seen: a round trip,
 * generously. */
#define DRAIN_NOTICE_MICROSECONDS 500000
/* Rounds of receiving before other sockets have their turn. */
#define ROUNDS 4
/* Each application that breaks off is a RST_STREAM, and nghttp2 would end the tunnel of all after
 * 1000 of them. What a peer gains by them here is bounded anyway: see OWED_MAX. */
#define RESET_BURST 100000
#define RESETS_PER_SECOND 10000
/* Frames that wait for a peer: more than this only a peer that asks and does not read can bring
 * about. One that behaves has a few for each stream at the most. */
#define OWED_MAX (4 * TUNNEL_STREAMS_MAX)
/* A frame's header and this fill four records. */
#define FRAME_PAYLOAD_MAX (4 * RECORD_SEAL_MAX - 9)
/* Stream numbers end at 2^31: long before, streams go to a new tunnel. */
#define LAST_STREAM_ID (1 << 30)

static void fail(struct tunnel *tunnel, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct tunnel *tunnel, const char *format, ...)
{
    va_list args;

    if (tunnel->failed) {
        return;
    }
    tunnel->failed = true;
    if (tunnel->reason[0] == '\0') {
        va_start(args, format);
        vsnprintf(tunnel->reason, sizeof tunnel->reason, format, args);
        va_end(args);
    }
    tunnel_schedule(tunnel);
}

void tunnel_schedule(struct tunnel *tunnel)
{
    event_active(tunnel->flush, EV_TIMEOUT, 0);
}

/* ---- nghttp2's callbacks ---- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t length, int flags,
                       void *user)
{
    struct tunnel *tunnel = user;
    size_t room;
    uint8_t *place = sender_room(&tunnel->sender, 1, &room);

    (void)session;
    (void)flags;
    if (!place) {
        tunnel->full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (length > room) {
        length = room;
    }
    memcpy(place, data, length);
    sender_commit(&tunnel->sender, length);
    return (ssize_t)length;
}

/* A frame of bulk fills records exactly, so that one call pulls all of them. */
static ssize_t on_read_length(nghttp2_session *session, uint8_t type, int32_t id,
                              int32_t session_window, int32_t stream_window, uint32_t max_frame,
                              void *user)
{
    (void)session;
    (void)type;
    (void)id;
    (void)session_window;
    (void)stream_window;
    (void)user;
    return max_frame < FRAME_PAYLOAD_MAX ? (ssize_t)max_frame : FRAME_PAYLOAD_MAX;
}

/* The payload was pulled into its place by stream_read; the frame header goes in front of it. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                        size_t length, nghttp2_data_source *source, void *user)
{
    struct tunnel *tunnel = user;
    struct packet *packet = tunnel->sender.open;

    (void)session;
    (void)frame;
    (void)source;
    if (!packet || length != tunnel->pulled) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(packet->bytes + RECORD_HEADROOM + packet->used, header, 9);
    sender_commit(&tunnel->sender, 9 + length);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tunnel *tunnel = user;

    memset(&tunnel->head, 0, sizeof tunnel->head);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct stream *stream = stream_new(tunnel, frame->hd.stream_id, false);
        if (!stream) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    }
    return 0;
}

static void keep(struct head *head, char *out, size_t size, const uint8_t *value, size_t length)
{
    if (length >= size || memchr(value, '\0', length)) {
        head->malformed = true;
        return;
    }
    memcpy(out, value, length);
    out[length] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    struct tunnel *tunnel = user;
    struct head *head = &tunnel->head;
    const char *text = (const char *)name;

    (void)session;
    (void)frame;
    (void)flags;
    head->size += name_length + value_length + 32;
    if (head->size > HEADER_LIST_MAX) {
        head->malformed = true;
        return 0;
    }
    /* names end with a zero byte */
    if (strcmp(text, ":method") == 0) {
        keep(head, head->method, sizeof head->method, value, value_length);
    } else if (strcmp(text, ":authority") == 0) {
        keep(head, head->authority, sizeof head->authority, value, value_length);
    } else if (strcmp(text, "appnet-outbound") == 0) {
        head->malformed = head->malformed || head->has_outbound;
        head->has_outbound = true;
        keep(head, head->outbound, sizeof head->outbound, value, value_length);
    } else if (strcmp(text, "appnet-reason") == 0) {
        keep(head, head->reason, sizeof head->reason, value, value_length);
    } else if (strcmp(text, ":status") == 0) {
        head->status = (unsigned)atoi((const char *)value); /* nghttp2 has checked: three digits */
    }
    return 0;
}

static bool understand(const struct head *head, struct stream_request *request)
{
    request->probe = strcmp(head->method, "OPTIONS") == 0;
    if (head->malformed || (!request->probe && strcmp(head->method, "CONNECT") != 0) ||
        !name_valid(head->outbound, strlen(head->outbound)) ||
        !request_parse_authority(head->authority, strlen(head->authority), request)) {
        return false;
    }
    memcpy(request->outbound, head->outbound, sizeof request->outbound);
    return true;
}

static void on_request(struct tunnel *tunnel, struct stream *stream, bool ended)
{
    struct stream_request request;
    bool understood = understand(&tunnel->head, &request);

    stream->peer_finished = ended;
    stream->probe = understood && request.probe;
    tunnel->handlers->request(tunnel->owner, tunnel, stream, understood ? &request : NULL);
    if (!stream->handlers && !stream->doomed) {
        stream_reply(stream, 500, NULL);
    }
    if (ended) {
        stream_end_of_data(stream);
    }
}

static int on_frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tunnel *tunnel = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!tunnel->is_ready && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            tunnel->is_ready = true;
            tunnel->handlers->ready(tunnel->owner, tunnel);
        }
        break;
    case NGHTTP2_HEADERS:
        if (!stream) {
            break;
        }
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            on_request(tunnel, stream, ended);
            break;
        }
        if (tunnel->head.status >= 200) {
            stream_answer(stream, &tunnel->head);
        }
        if (ended) {
            stream_end_of_data(stream);
        }
        break;
    case NGHTTP2_DATA:
        if (stream && ended) {
            stream_end_of_data(stream);
        }
        break;
    case NGHTTP2_GOAWAY:
        if (!tunnel->is_draining) {
            tunnel->is_draining = true;
            tunnel->handlers->draining(tunnel->owner, tunnel);
        }
        break;
    default:
        break;
    }
    return 0;
}

/* When nghttp2 finds that the peer broke the protocol, it says so to the peer with a GOAWAY; our
 * log should say it too. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tunnel *tunnel = user;
    struct stream *stream;

    if (frame->hd.type == NGHTTP2_HEADERS &&
        (stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id))) {
        stream_head_sent(stream);
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        tunnel->reason[0] == '\0') {
        snprintf(tunnel->reason, sizeof tunnel->reason, "the peer broke HTTP/2: %s %.*s",
                 nghttp2_http2_strerror(frame->goaway.error_code),
                 (int)frame->goaway.opaque_data_len,
                 frame->goaway.opaque_data ? (const char *)frame->goaway.opaque_data : "");
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t length, void *user)
{
    struct tunnel *tunnel = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    /* The connection's window comes back at once, so no stream can use it up for the others. */
    nghttp2_session_consume_connection(session, length);
    tunnel_schedule(tunnel);
    if (stream) {
        stream_data(stream, data, length);
    } else {
        nghttp2_session_consume_stream(session, id, length);
    }
    return 0;
}

static int on_stream_closed(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)user;
    if (stream) {
        stream_left_session(stream, error_code);
    }
    return 0;
}

/* ---- the socket ---- */

/* Opens the records that are whole. False: the tunnel has failed. */
static bool open_records(struct tunnel *tunnel, struct receive_buffer *buffer)
{
    const struct record_engine *engine = tunnel->established->record->engine;
    struct error err = ERROR_INIT;
    uint8_t *plain = NULL;
    size_t taken = 0;
    size_t length = 0;
    ssize_t rc;

    while (buffer->begin < buffer->end) {
        switch (engine->open(tunnel->established->record, buffer->bytes + buffer->begin,
                             buffer->end - buffer->begin, &taken, &plain, &length, &err)) {
        case RECORD_OPENED:
            buffer->begin += taken;
            rc = nghttp2_session_mem_recv(tunnel->session, plain, length);
            if (rc < 0) {
                fail(tunnel, "the peer broke HTTP/2: %s", nghttp2_strerror((int)rc));
                return false;
            }
            if (nghttp2_session_get_outbound_queue_size(tunnel->session) > OWED_MAX) {
                fail(tunnel, "the peer asks for more than it reads");
                return false;
            }
            break;
        case RECORD_PARTIAL:
            return true;
        case RECORD_CLOSED:
            fail(tunnel, "the peer closed the tunnel");
            return false;
        case RECORD_FAILED:
            tunnel->refused = true;
            fail(tunnel, "%s", err.text);
            return false;
        }
    }
    return true;
}

static void receive(struct tunnel *tunnel)
{
    const struct record_engine *engine = tunnel->established->record->engine;

    for (int round = 0; round < ROUNDS; round++) {
        struct receive_buffer *buffer = tunnel->received;
        bool opened;
        size_t room;
        ssize_t n;

        if (!buffer && !(buffer = tunnel->received = buffers_take_receive(tunnel->buffers))) {
            fail(tunnel, "no memory to receive");
            return;
        }
        room = RECEIVE_BUFFER_SIZE - buffer->end;
        n = engine->receive(tunnel->established->record, tunnel->established->fd,
                            buffer->bytes + buffer->end, room);
        if (n == 0) {
            fail(tunnel, "the peer closed the connection");
            return;
        }
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                fail(tunnel, "receiving from the peer failed: %s", strerror(errno));
            }
            break;
        }
        tunnel->last_heard = loop_now();
        tunnel->received_bytes += (uint64_t)n;
        buffer->end += (size_t)n;
        opened = open_records(tunnel, buffer);
        stream_hand_over(tunnel);
        if (!opened) {
            return;
        }
        /* The beginning of a record moves to the front: its rest, and more, must fit behind it. */
        memmove(buffer->bytes, buffer->bytes + buffer->begin, buffer->end - buffer->begin);
        buffer->end -= buffer->begin;
        buffer->begin = 0;
        if ((size_t)n < room) {
            break;
        }
    }
    if (tunnel->received && tunnel->received->end == 0) {
        buffers_give_receive(tunnel->buffers, tunnel->received);
        tunnel->received = NULL;
    }
}

static void release(struct tunnel *tunnel)
{
    struct stream *stream;

    tunnel->failed = true;
    while ((stream = LIST_FIRST(&tunnel->streams))) {
        stream_lost(stream);
    }
    if (tunnel->readable) {
        event_free(tunnel->readable);
    }
    if (tunnel->writable) {
        event_free(tunnel->writable);
    }
    if (tunnel->flush) {
        event_free(tunnel->flush);
    }
    if (tunnel->keepalive) {
        event_free(tunnel->keepalive);
    }
    nghttp2_session_del(tunnel->session);
    sender_clear(&tunnel->sender);
    if (tunnel->received) {
        buffers_give_receive(tunnel->buffers, tunnel->received);
    }
    established_free(tunnel->established);
    free(tunnel);
}

/* What can still be sent: resets, or a GOAWAY that explains; then the TLS farewell. */
static void say_last_words(struct tunnel *tunnel)
{
    struct error ignored;

    event_del(tunnel->readable);
    if (tunnel->blocked) {
        return;
    }
    nghttp2_session_send(tunnel->session);
    if (sender_flush(&tunnel->sender, &ignored) == SENDER_EMPTY) {
        sender_farewell(&tunnel->sender);
    }
}

/* The one end of a tunnel that its owner hears of. */
static void end(struct tunnel *tunnel)
{
    struct stream *stream;

    say_last_words(tunnel);
    while ((stream = LIST_FIRST(&tunnel->streams))) {
        stream_lost(stream);
    }
    tunnel->handlers->closed(tunnel->owner, tunnel, tunnel->reason);
    release(tunnel);
}

static void wait_writable(struct tunnel *tunnel)
{
    tunnel->blocked = true;
    event_add(tunnel->writable, NULL);
}

/* Fills the sender once and sends. What there is beyond that waits until the kernel has few bytes
 * left that are not sent (NOTSENT_LOWAT), so that a small request never stands behind more. */
static void flush(struct tunnel *tunnel)
{
    struct error err = ERROR_INIT;
    int rc;

    tunnel->full = false;
    rc = nghttp2_session_send(tunnel->session);
    if (rc != 0) {
        fail(tunnel, "HTTP/2 cannot go on: %s", nghttp2_strerror(rc));
        return;
    }
    switch (sender_flush(&tunnel->sender, &err)) {
    case SENDER_FAILED:
        fail(tunnel, "%s", err.text);
        break;
    case SENDER_BLOCKED:
        wait_writable(tunnel);
        break;
    case SENDER_EMPTY:
        if (tunnel->full) {
            wait_writable(tunnel);
        } else if (!nghttp2_session_want_read(tunnel->session) &&
                   !nghttp2_session_want_write(tunnel->session)) {
            fail(tunnel, "drained");
        }
        break;
    }
}

/* A key that has sealed its limit and cannot be changed: new streams go to a new tunnel. */
static void retire_if_spent(struct tunnel *tunnel)
{
    const struct record *record = tunnel->established->record;

    if (record->engine->spent && !tunnel->is_draining && record->engine->spent(record)) {
        tunnel_drain(tunnel);
        if (tunnel->established->is_client) {
            tunnel->handlers->draining(tunnel->owner, tunnel);
        }
    }
}

static void on_flush(evutil_socket_t fd, short what, void *argument)
{
    struct tunnel *tunnel = argument;

    (void)fd;
    (void)what;
    if (!tunnel->failed && !tunnel->blocked) {
        flush(tunnel);
        retire_if_spent(tunnel);
    }
    if (tunnel->failed) {
        end(tunnel);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
    struct tunnel *tunnel = argument;

    tunnel->blocked = false;
    on_flush(fd, what, argument);
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct tunnel *tunnel = argument;

    (void)fd;
    (void)what;
    if (!tunnel->failed) {
        receive(tunnel);
        tunnel_schedule(tunnel);
    }
}

/* ---- silence ---- */

static void keepalive_in(struct tunnel *tunnel, int64_t microseconds)
{
    struct timeval when;

    if (microseconds < 1000) {
        microseconds = 1000;
    }
    when.tv_sec = (time_t)(microseconds / 1000000);
    when.tv_usec = (suseconds_t)(microseconds % 1000000);
    event_add(tunnel->keepalive, &when);
}

static void on_keepalive(evutil_socket_t fd, short what, void *argument)
{
    struct tunnel *tunnel = argument;
    int64_t now = loop_now();
    int64_t silence = now - tunnel->last_heard;

    (void)fd;
    (void)what;
    if (tunnel->final_goaway_due) {
        tunnel->final_goaway_due = false;
        nghttp2_submit_goaway(tunnel->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(tunnel->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
        tunnel_schedule(tunnel);
    }
    if (silence >= (int64_t)TUNNEL_DEAD_SECONDS * 1000000) {
        fail(tunnel, "the peer has been silent for %d seconds", TUNNEL_DEAD_SECONDS);
    } else if (!tunnel->is_ready &&
               now - tunnel->started >= (int64_t)TUNNEL_PING_SECONDS * 1000000) {
        fail(tunnel, "the peer did not begin to speak HTTP/2");
    } else if (silence >= (int64_t)TUNNEL_PING_SECONDS * 1000000) {
        nghttp2_submit_ping(tunnel->session, NGHTTP2_FLAG_NONE, NULL);
        tunnel_schedule(tunnel);
        keepalive_in(tunnel, (int64_t)TUNNEL_DEAD_SECONDS * 1000000 - silence);
    } else {
        keepalive_in(tunnel, (int64_t)TUNNEL_PING_SECONDS * 1000000 - silence);
    }
}

/* ---- making ---- */

static int make_session(struct tunnel *tunnel)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = blocks_mem(buffers_blocks(tunnel->buffers));
    int rc = -1;

    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        goto out;
    }
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_read_length);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_received);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_closed);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
#ifdef HAVE_NGHTTP2_OPTION_SET_STREAM_RESET_RATE_LIMIT
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESETS_PER_SECOND);
#endif
    rc = tunnel->established->is_client
             ? nghttp2_session_client_new3(&tunnel->session, callbacks, tunnel, option, &mem)
             : nghttp2_session_server_new3(&tunnel->session, callbacks, tunnel, option, &mem);
out:
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

static int greet(struct tunnel *tunnel)
{
    const nghttp2_settings_entry client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_MIN},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_PAYLOAD_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX}};
    const nghttp2_settings_entry server[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, TUNNEL_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_MIN},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_PAYLOAD_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX}};

    if (nghttp2_submit_settings(tunnel->session, NGHTTP2_FLAG_NONE,
                                tunnel->established->is_client ? client : server, 4) != 0) {
        return -1;
    }
    return nghttp2_session_set_local_window_size(tunnel->session, NGHTTP2_FLAG_NONE, 0,
                                                 TUNNEL_CONNECTION_WINDOW);
}

static void set_socket_options(int fd)
{
    unsigned patience = TUNNEL_DEAD_SECONDS * 1000;
    int unsent = NOTSENT_LOWAT;

    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

struct tunnel *tunnel_new(struct event_base *base, struct established *established, int64_t id,
                          struct buffers *buffers, const struct tunnel_handlers *handlers,
                          void *owner, struct error *err)
{
    struct tunnel *tunnel = memory_zalloc(sizeof *tunnel);

    tunnel->established = established;
    tunnel->sender.buffers = tunnel->buffers = buffers;
    tunnel->sender.record = established->record;
    tunnel->sender.fd = established->fd;
    tunnel->handlers = handlers;
    tunnel->owner = owner;
    tunnel->id = id;
    tunnel->started = tunnel->last_heard = loop_now();
    LIST_INIT(&tunnel->streams);
    set_socket_options(established->fd);
    tunnel->readable = event_new(base, established->fd, EV_READ | EV_PERSIST, on_readable, tunnel);
    tunnel->writable = event_new(base, established->fd, EV_WRITE, on_writable, tunnel);
    tunnel->flush = event_new(base, -1, 0, on_flush, tunnel);
    tunnel->keepalive = event_new(base, -1, 0, on_keepalive, tunnel);
    if (!tunnel->readable || !tunnel->writable || !tunnel->flush || !tunnel->keepalive ||
        make_session(tunnel) != 0 || greet(tunnel) != 0 || event_add(tunnel->readable, NULL) != 0) {
        error_set(err, "no memory for a tunnel");
        release(tunnel);
        return NULL;
    }
    keepalive_in(tunnel, (int64_t)TUNNEL_PING_SECONDS * 1000000);
    tunnel_schedule(tunnel);
    return tunnel;
}

/* ---- the owner's side ---- */

bool tunnel_usable(const struct tunnel *tunnel)
{
    return tunnel->is_ready && !tunnel->is_draining && !tunnel->failed &&
           tunnel->stream_count < nghttp2_session_get_remote_settings(
                                      tunnel->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) &&
           nghttp2_session_get_next_stream_id(tunnel->session) < LAST_STREAM_ID;
}

unsigned tunnel_streams(const struct tunnel *tunnel)
{
    return tunnel->stream_count;
}

struct stream *tunnel_connect(struct tunnel *tunnel, const struct stream_request *request,
                              const struct stream_handlers *handlers, void *endpoint)
{
    char authority[REQUEST_AUTHORITY_SIZE];
    size_t length = request_format_authority(request, authority, sizeof authority);
    uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    nghttp2_nv fields[5] = {
        {(uint8_t *)":method", (uint8_t *)(request->probe ? "OPTIONS" : "CONNECT"), 7, 7, flags},
        {(uint8_t *)":authority", (uint8_t *)authority, 10, length, flags},
    };
    size_t count = 2;
    nghttp2_data_provider provider = {.read_callback = stream_read};
    struct stream *stream;

    if (!tunnel_usable(tunnel) || !(stream = stream_new(tunnel, 0, request->probe))) {
        return NULL;
    }
    if (request->probe) {
        fields[count++] = (nghttp2_nv){(uint8_t *)":scheme", (uint8_t *)"https", 7, 5, flags};
        fields[count++] = (nghttp2_nv){(uint8_t *)":path", (uint8_t *)"*", 5, 1, flags};
    }
    fields[count++] = (nghttp2_nv){(uint8_t *)"appnet-outbound", (uint8_t *)request->outbound, 15,
                                   strlen(request->outbound), flags};
    provider.source.ptr = stream;
    stream->id = nghttp2_submit_request(tunnel->session, NULL, fields, count,
                                        request->probe ? NULL : &provider, stream);
    if (stream->id < 0) {
        stream->in_session = false;
        stream_cancel(stream);
        return NULL;
    }
    stream_bind(stream, handlers, endpoint);
    stream->we_finished = request->probe;
    tunnel_schedule(tunnel);
    return stream;
}

void tunnel_drain(struct tunnel *tunnel)
{
    if (tunnel->failed || tunnel->is_draining) {
        return;
    }
    tunnel->is_draining = true;
    if (tunnel->established->is_client) {
        nghttp2_submit_goaway(tunnel->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    } else {
        nghttp2_submit_shutdown_notice(tunnel->session);
        tunnel->final_goaway_due = true;
        keepalive_in(tunnel, DRAIN_NOTICE_MICROSECONDS);
    }
    tunnel_schedule(tunnel);
}

void tunnel_close(struct tunnel *tunnel, const char *reason)
{
    fail(tunnel, "%s", reason);
}

void tunnel_free(struct tunnel *tunnel)
{
    if (tunnel) {
        say_last_words(tunnel);
        release(tunnel);
    }
}

bool tunnel_refused(const struct tunnel *tunnel)
{
    return tunnel->refused;
}

void tunnel_describe(const struct tunnel *tunnel, struct tunnel_info *out)
{
    const struct established *established = tunnel->established;

    *out = (struct tunnel_info){
        .id = tunnel->id,
        .is_client = established->is_client,
        .draining = tunnel->is_draining,
        .peer = established->peer.instance,
        .address = established->address,
        .version = established->version,
        .cipher = established->cipher,
        .engine = established->record->engine->name,
        .streams = tunnel->stream_count,
        .sent = tunnel->sender.sent,
        .received = tunnel->received_bytes,
        .started = tunnel->started,
    };
}

void tunnel_log_up(const struct tunnel *tunnel)
{
    struct tunnel_info info;

    tunnel_describe(tunnel, &info);
    log_info("tunnel up", LOG_I("id", info.id), LOG_S("side", info.is_client ? "source" : "target"),
             LOG_S("peer", info.peer), LOG_S("address", info.address), LOG_S("tls", info.version),
             LOG_S("cipher", info.cipher), LOG_S("engine", info.engine));
}

void tunnel_log_down(const struct tunnel *tunnel, const char *reason)
{
    struct tunnel_info info;

    tunnel_describe(tunnel, &info);
    log_info("tunnel down", LOG_I("id", info.id),
             LOG_S("side", info.is_client ? "source" : "target"), LOG_S("peer", info.peer),
             LOG_S("address", info.address), LOG_SECONDS("seconds", loop_now() - info.started),
             LOG_I("streams", info.streams), LOG_I("sent", info.sent),
             LOG_I("received", info.received), LOG_S("reason", reason));
}
