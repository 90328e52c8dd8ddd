#include "http2_connection.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/http/http2_door.h"
#include "http2_exchange.h"

/* Streams that break off, a client's fault or wish each: so many at once, and so many a second. */
#define RESETS RATE_LIMIT_INIT(200, 20)

static const struct timeval idle_patience = {HTTP_IDLE_SECONDS, 0};

/* ---- the session ---- */

static struct http2_exchange *exchange_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static bool begins_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

/* Other frames have other flags in that place. */
static bool ends_stream(const nghttp2_frame *frame)
{
    return (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
           (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (begins_request(frame)) {
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
                                             http2_exchange_new(user, frame->hd.stream_id));
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    struct http2_exchange *exchange = exchange_of(session, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (exchange && begins_request(frame)) { /* trailers are nobody's */
        http2_exchange_take_field(exchange, (const char *)name, name_length, (const char *)value,
                                  value_length);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t length, void *user)
{
    struct http2_exchange *exchange = exchange_of(session, id);

    (void)flags;
    (void)user;
    if (exchange) {
        http2_exchange_take_data(exchange, data, length);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2_exchange *exchange = exchange_of(session, frame->hd.stream_id);

    (void)user;
    if (exchange && begins_request(frame)) {
        http2_exchange_take_head(exchange);
    }
    if (exchange && ends_stream(frame)) {
        http2_exchange_take_end(exchange);
    }
    return 0;
}

/* Behind an answer to what has not come whole. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    int32_t id = frame->hd.stream_id;

    (void)user;
    if (ends_stream(frame) && nghttp2_session_get_stream_remote_close(session, id) == 0) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct http2_connection *connection = user;
    struct http2_exchange *exchange = exchange_of(session, id);

    if (exchange) {
        http2_exchange_end(exchange);
    }
    if (error_code != NGHTTP2_NO_ERROR && !rate_limit_take(&connection->resets, loop_now(), NULL)) {
        http2_connection_terminate(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return 0;
}

static void configure(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* ---- from beginning to end ---- */

/* The one exit. What a handler does to others of its requests, when it hears that one is closed,
 * goes nowhere. */
static void release(struct http2_connection *connection)
{
    struct http2_exchange *exchange;

    connection->channel = NULL;
    while ((exchange = http2_exchange_first(connection))) {
        http2_exchange_end(exchange);
    }
    TAILQ_REMOVE(&connection->room->idle, connection, link);
    connection->room->count--;
    event_free(connection->timer);
    free(connection);
}

static void on_channel_closed(void *owner, const char *reason)
{
    (void)reason;
    release(owner);
}

static const struct channel_handlers handlers = {configure, on_channel_closed};

bool http2_connection_is_stranger(const struct http2_connection *connection)
{
    return connection->peer.instance[0] == '\0';
}

/* The only one that moves a connection between the lists. */
void http2_connection_changed(struct http2_connection *connection)
{
    struct http2_room *room = connection->room;
    bool is_idle = http2_exchange_first(connection) == NULL;

    if (is_idle && !connection->is_idle) {
        TAILQ_REMOVE(&room->busy, connection, link);
        TAILQ_INSERT_TAIL(&room->idle, connection, link);
        event_add(connection->timer, &idle_patience);
    } else if (!is_idle && connection->is_idle) {
        TAILQ_REMOVE(&room->idle, connection, link);
        TAILQ_INSERT_TAIL(&room->busy, connection, link);
        event_del(connection->timer);
    }
    connection->is_idle = is_idle;
}

/* Of the strangers the one who leaves most lying. */
static void cut_greediest(const struct http2_room *room)
{
    struct http2_connection *found = NULL;
    struct http2_connection *at;

    TAILQ_FOREACH (at, &room->busy, link) {
        if (http2_connection_is_stranger(at) && (!found || at->untaken > found->untaken)) {
            found = at;
        }
    }
    if (found && found->channel) {
        channel_close(found->channel, "the peer leaves too much of its answers");
    }
}

void http2_connection_add_untaken(struct http2_connection *connection, size_t size)
{
    connection->untaken += size;
    if (http2_connection_is_stranger(connection)) {
        connection->room->untaken += size;
        if (connection->room->untaken > HTTP_UNTAKEN_MAX) {
            cut_greediest(connection->room);
        }
    }
}

void http2_connection_sub_untaken(struct http2_connection *connection, size_t size)
{
    connection->untaken -= size;
    if (http2_connection_is_stranger(connection)) {
        connection->room->untaken -= size;
    }
}

void http2_connection_terminate(struct http2_connection *connection, uint32_t code)
{
    nghttp2_session_terminate_session(channel_session(connection->channel), code);
    channel_flush(connection->channel);
}

static void on_idle(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    http2_connection_terminate(argument, NGHTTP2_NO_ERROR);
}

void http2_connection_end(struct http2_connection *connection)
{
    http2_connection_terminate(connection, NGHTTP2_NO_ERROR);
    channel_free(connection->channel); /* before its requests: the last words are taken from them */
    release(connection);
}

void http2_connection_new(struct http2_room *room, struct established *established)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADERS_MAX}};
    struct http2_connection *connection = memory_zalloc(sizeof *connection);
    struct error err = ERROR_INIT;

    connection->room = room;
    connection->resets = (struct rate_limit)RESETS;
    connection->peer = established->peer;
    snprintf(connection->address, sizeof connection->address, "%s", established->address);
    LIST_INIT(&connection->exchanges);
    connection->is_idle = true;
    connection->timer = event_new(room->base, -1, 0, on_idle, connection);
    event_add(connection->timer, &idle_patience);
    TAILQ_INSERT_TAIL(&room->idle, connection, link);
    room->count++;
    connection->channel =
        channel_new(room->base, established, room->buffers, &handlers, connection, &err);
    if (!connection->channel) {
        log_warn("connection refused", LOG_S("address", connection->address),
                 LOG_S("detail", err.text));
        release(connection);
        return;
    }
    nghttp2_submit_settings(channel_session(connection->channel), NGHTTP2_FLAG_NONE, settings, 2);
    channel_flush(connection->channel);
}
