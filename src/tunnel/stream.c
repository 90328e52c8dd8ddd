#include "appnet/tunnel/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define FRAME_HEADER_SIZE 9

struct stream *stream_new(struct tunnel *tunnel, int32_t id, bool probe)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (stream) {
        stream->tunnel = tunnel;
        stream->buffers = tunnel->buffers;
        stream->id = id;
        stream->probe = probe;
        stream->window = STREAM_WINDOW_MIN;
        stream->in_session = true;
        LIST_INSERT_HEAD(&tunnel->streams, stream, link);
        tunnel->stream_count++;
    }
    return stream;
}

/* Out of the tunnel's look-ups. */
static void detach(struct stream *stream)
{
    struct tunnel *tunnel = stream->tunnel;

    if (tunnel) {
        if (tunnel->gathered.stream == stream) {
            tunnel->gathered.stream = NULL;
        }
        LIST_REMOVE(stream, link);
        tunnel->stream_count--;
        tunnel->grown -= stream->window - STREAM_WINDOW_MIN;
        stream->tunnel = NULL;
    }
}

static bool is_held(const struct stream *stream)
{
    return stream->held.first != NULL;
}

static void drop_held(struct stream *stream)
{
    holding_clear(&stream->held, stream->buffers);
}

/* The one end of every stream. */
static void done(struct stream *stream, enum stream_end end)
{
    detach(stream);
    drop_held(stream);
    if (stream->handlers) {
        stream->handlers->closed(stream->endpoint, end);
    }
    free(stream);
}

/* ---- towards the peer ---- */

static void reset(struct stream *stream, enum stream_end end, uint32_t error_code)
{
    stream->doomed = true;
    stream->end = end;
    drop_held(stream);
    if (stream->head_due) {
        /* nghttp2 drops frames of a stream that wait when it is asked to reset it, and the answer
         * says why. */
        stream->reset_due = true;
        stream->reset_code = error_code;
    } else {
        nghttp2_submit_rst_stream(stream->tunnel->session, NGHTTP2_FLAG_NONE, stream->id,
                                  error_code);
    }
    tunnel_schedule(stream->tunnel);
}

void stream_head_sent(struct stream *stream)
{
    stream->head_due = false;
    /* A stream that has ended both ways with this answer is over already. */
    if (stream->reset_due && !(stream->we_finished && stream->peer_finished)) {
        nghttp2_submit_rst_stream(stream->tunnel->session, NGHTTP2_FLAG_NONE, stream->id,
                                  stream->reset_code);
    }
}

ssize_t stream_read(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length,
                    uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct stream *stream = source->ptr;
    struct tunnel *tunnel = user;
    struct iovec parts[STREAM_PARTS_MAX];
    unsigned count;
    size_t size;
    ssize_t n;

    (void)session;
    (void)id;
    (void)buffer;
    if (stream->doomed) {
        return NGHTTP2_ERR_DEFERRED;
    }
    count = sender_parts(&tunnel->sender, FRAME_HEADER_SIZE, length, parts,
                         stream->is_bulk ? STREAM_PARTS_MAX : 1, &size);
    if (count == 0) {
        tunnel->full = true;
        return NGHTTP2_ERR_PAUSE;
    }
    n = stream->handlers->pull(stream->endpoint, parts, count, size);
    if (n > 0) {
        stream->is_bulk = (size_t)n == size;
        tunnel->pulled = (size_t)n;
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        return n;
    }
    if (n == STREAM_PULL_LATER) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n == STREAM_PULL_END) {
        stream->we_finished = true;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
    }
    reset(stream, STREAM_CANCELLED, NGHTTP2_CONNECT_ERROR);
    return NGHTTP2_ERR_DEFERRED;
}

void stream_bind(struct stream *stream, const struct stream_handlers *handlers, void *endpoint)
{
    stream->handlers = handlers;
    stream->endpoint = endpoint;
}

void stream_accept(struct stream *stream)
{
    nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"200", 7, 3,
                         NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = stream_read};

    if (!stream->tunnel || stream->doomed) {
        return;
    }
    stream->answered = stream->head_due = true;
    nghttp2_submit_response(stream->tunnel->session, stream->id, &status, 1, &provider);
    tunnel_schedule(stream->tunnel);
}

void stream_reply(struct stream *stream, unsigned status, const char *reason)
{
    char text[4];
    nghttp2_nv fields[2] = {
        {(uint8_t *)":status", (uint8_t *)text, 7, 3, NGHTTP2_NV_FLAG_NO_COPY_NAME},
        {(uint8_t *)"appnet-reason", (uint8_t *)reason, 13, reason ? strlen(reason) : 0,
         NGHTTP2_NV_FLAG_NO_COPY_NAME}};

    if (!stream->tunnel || stream->doomed) {
        return;
    }
    snprintf(text, sizeof text, "%u", status % 1000);
    stream->answered = stream->head_due = stream->we_finished = true;
    nghttp2_submit_response(stream->tunnel->session, stream->id, fields, reason ? 2 : 1, NULL);
    /* The answer is complete, whatever else the peer would send: RFC 9113, section 8.1. */
    reset(stream, STREAM_REFUSED, NGHTTP2_NO_ERROR);
}

void stream_pull_ready(struct stream *stream)
{
    if (stream->tunnel && !stream->doomed) {
        nghttp2_session_resume_data(stream->tunnel->session, stream->id);
        tunnel_schedule(stream->tunnel);
    }
}

void stream_cancel(struct stream *stream)
{
    if (stream->doomed) {
        return;
    }
    if (stream->in_session) {
        reset(stream, STREAM_CANCELLED, NGHTTP2_CONNECT_ERROR);
    } else if (stream->pushing) {
        stream->doomed = true; /* stream_push_ready goes on from here */
    } else {
        done(stream, STREAM_CANCELLED);
    }
}

/* ---- from the peer ---- */

static void consumed(struct stream *stream, size_t size)
{
    if (stream->tunnel && stream->in_session) {
        nghttp2_session_consume_stream(stream->tunnel->session, stream->id, size);
        tunnel_schedule(stream->tunnel);
    }
}

/* A reader that has taken a whole window and left nothing lying may be sent twice as much. */
static void grow_window(struct stream *stream, size_t size)
{
    struct tunnel *tunnel = stream->tunnel;

    stream->since_growth += (int64_t)size;
    if (stream->since_growth < stream->window || is_held(stream) ||
        stream->window >= STREAM_WINDOW_MAX || tunnel->grown + stream->window > TUNNEL_GROWTH_MAX) {
        return;
    }
    tunnel->grown += stream->window;
    stream->window *= 2;
    stream->since_growth = 0;
    nghttp2_session_set_local_window_size(tunnel->session, NGHTTP2_FLAG_NONE, stream->id,
                                          stream->window);
}

static bool hold_rest(struct stream *stream, const struct gathered *gathered, size_t taken)
{
    for (unsigned i = 0; i < gathered->count; i++) {
        const struct iovec *part = &gathered->parts[i];
        if (taken >= part->iov_len) {
            taken -= part->iov_len;
        } else if (!holding_add(&stream->held, stream->buffers,
                                (const uint8_t *)part->iov_base + taken, part->iov_len - taken)) {
            return false;
        } else {
            taken = 0;
        }
    }
    return true;
}

void stream_hand_over(struct tunnel *tunnel)
{
    struct gathered *gathered = &tunnel->gathered;
    struct stream *stream = gathered->stream;
    size_t taken = 0;

    gathered->stream = NULL;
    if (!stream || stream->doomed) {
        return;
    }
    if (!is_held(stream)) {
        taken = stream->handlers->push(stream->endpoint, gathered->parts, gathered->count,
                                       gathered->size);
    }
    if (stream->doomed) {
        return;
    }
    if (taken < gathered->size && !hold_rest(stream, gathered, taken)) {
        reset(stream, STREAM_CANCELLED, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    grow_window(stream, gathered->size);
    consumed(stream, taken);
}

void stream_data(struct stream *stream, const uint8_t *data, size_t size)
{
    struct gathered *gathered = &stream->tunnel->gathered;

    if (stream->doomed || !stream->handlers) {
        consumed(stream, size);
        return;
    }
    if (gathered->stream != stream || gathered->count == STREAM_PARTS_MAX) {
        stream_hand_over(stream->tunnel);
        gathered->stream = stream;
        gathered->count = 0;
        gathered->size = 0;
    }
    gathered->parts[gathered->count++] =
        (struct iovec){.iov_base = (uint8_t *)(uintptr_t)data, .iov_len = size};
    gathered->size += size;
}

static void tell_finish(struct stream *stream)
{
    if (stream->peer_finished && !is_held(stream) && !stream->told_finish && !stream->doomed &&
        stream->handlers) {
        stream->told_finish = true;
        stream->handlers->finish(stream->endpoint);
    }
}

void stream_end_of_data(struct stream *stream)
{
    if (stream->tunnel) {
        stream_hand_over(stream->tunnel);
    }
    stream->peer_finished = true;
    tell_finish(stream);
}

/* Gives what is held until the endpoint takes no more; false: the stream was cancelled meanwhile.
 */
static bool give_held(struct stream *stream)
{
    struct iovec parts[STREAM_PARTS_MAX];
    size_t size = 0;
    size_t taken = 0;

    while (is_held(stream) && taken == size) {
        unsigned count = holding_parts(&stream->held, parts, STREAM_PARTS_MAX, &size);
        stream->pushing = true;
        taken = stream->handlers->push(stream->endpoint, parts, count, size);
        stream->pushing = false;
        if (stream->doomed) {
            return false;
        }
        holding_taken(&stream->held, stream->buffers, taken);
        consumed(stream, taken);
    }
    return true;
}

void stream_push_ready(struct stream *stream)
{
    if (is_held(stream) && !stream->doomed) {
        if (!give_held(stream)) {
            if (!stream->in_session) {
                done(stream, STREAM_CANCELLED);
            }
            return;
        }
        tell_finish(stream);
    }
    if (!is_held(stream) && !stream->in_session) {
        done(stream, STREAM_FINISHED);
    }
}

void stream_answer(struct stream *stream, const struct head *head)
{
    bool good = stream->probe ? head->status == 204 : head->status == 200;

    if (stream->answered || stream->doomed || !stream->handlers) {
        return;
    }
    stream->answered = true;
    stream->handlers->answer(stream->endpoint, head->status, head->reason);
    if (!good && !stream->doomed) {
        reset(stream, STREAM_REFUSED, NGHTTP2_CANCEL);
    }
}

/* ---- the end ---- */

void stream_left_session(struct stream *stream, uint32_t error_code)
{
    bool complete = stream->peer_finished && stream->we_finished;

    stream_hand_over(stream->tunnel);
    stream->in_session = false;
    if (stream->doomed) {
        done(stream, stream->end);
    } else if (error_code == NGHTTP2_NO_ERROR && (complete || stream->probe)) {
        /* What is held is still owed to the endpoint. */
        if (!is_held(stream)) {
            done(stream, STREAM_FINISHED);
        }
    } else {
        done(stream, error_code == NGHTTP2_REFUSED_STREAM ? STREAM_TUNNEL_LOST : STREAM_PEER_RESET);
    }
}

void stream_lost(struct stream *stream)
{
    if (!stream->in_session) {
        detach(stream);
    } else {
        stream->in_session = false;
        done(stream, stream->doomed ? stream->end : STREAM_TUNNEL_LOST);
    }
}

struct tunnel *stream_tunnel(const struct stream *stream)
{
    return stream->tunnel;
}
