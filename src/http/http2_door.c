#include "appnet/http/http2_door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "channel.h"
#include "door.h"

#define FIELDS_MAX 64 /* header fields of a request */

struct field {
    char *name, *value;
};

struct http2_exchange {
    struct http_exchange exchange; /* first: the one is a pointer to the other */
    LIST_ENTRY(http2_exchange) link;
    struct connection *connection;
    int32_t id;
    struct event *deadline; /* of the request; then of a reader who left too much lying */
    char *method, *target;  /* :method, :path as they came */
    struct field fields[FIELDS_MAX];
    unsigned field_count;
    size_t header_size;
    struct evbuffer *body;
    char *body_text;
    char status[4];
    struct field answer[FIELDS_MAX];
    unsigned answer_count;
    struct evbuffer *out; /* of the answer, what has not left yet */
    bool too_large;       /* the request is */
    bool handed_over;     /* the handler has it */
    bool ended;           /* the answer has no more to come */
    bool over;            /* nobody else knows it any more: it goes with its stream */
};

struct connection {
    LIST_ENTRY(connection) link;
    struct http2_door *door;
    struct channel *channel;
    struct event *idle;
    LIST_HEAD(, http2_exchange) exchanges;
};

struct http2_door {
    struct loop *loop;
    struct handshaker *handshaker;
    struct buffers *buffers;
    struct http_handler handler;
    LIST_HEAD(, connection) connections;
    unsigned connection_count;
};

static const struct timeval request_patience = {HTTP_REQUEST_SECONDS, 0};
static const struct timeval idle_patience = {HTTP2_IDLE_SECONDS, 0};
static const struct timeval at_once = {0, 0};

static const struct door functions;

static struct http2_exchange *of(struct http_exchange *exchange)
{
    return (struct http2_exchange *)exchange;
}

static char *copy(const uint8_t *text, size_t length)
{
    char *out = memory_zalloc(length + 1);

    return memcpy(out, text, length);
}

/* ---- exchanges ---- */

static void on_deadline(evutil_socket_t fd, short what, void *argument);

static struct http2_exchange *exchange_new(struct connection *connection, int32_t id)
{
    struct http2_exchange *exchange = memory_zalloc(sizeof *exchange);
    const struct established *established = channel_established(connection->channel);
    struct http_request *request = &exchange->exchange.request;

    exchange->exchange.door = &functions;
    exchange->connection = connection;
    exchange->id = id;
    exchange->body = evbuffer_new();
    exchange->out = evbuffer_new();
    exchange->deadline = event_new(loop_base(connection->door->loop), -1, 0, on_deadline, exchange);
    event_add(exchange->deadline, &request_patience);
    request->client = established->address;
    request->peer = established->peer.instance[0] != '\0' ? &established->peer : NULL;
    request->secure = true;
    LIST_INSERT_HEAD(&connection->exchanges, exchange, link);
    event_del(connection->idle);
    return exchange;
}

static void free_fields(struct field *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }
}

static void exchange_free(struct http2_exchange *exchange)
{
    struct connection *connection = exchange->connection;

    LIST_REMOVE(exchange, link);
    if (LIST_EMPTY(&connection->exchanges)) {
        event_add(connection->idle, &idle_patience);
    }
    event_free(exchange->deadline);
    evbuffer_free(exchange->body);
    evbuffer_free(exchange->out);
    free_fields(exchange->fields, exchange->field_count);
    free_fields(exchange->answer, exchange->answer_count);
    free(exchange->method);
    free(exchange->target);
    free(exchange->body_text);
    free(exchange);
}

/* A request that takes too long, or an answer that nobody reads. */
static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
    struct http2_exchange *exchange = argument;
    struct channel *channel = exchange->connection->channel;

    (void)fd;
    (void)what;
    nghttp2_submit_rst_stream(channel_session(channel), NGHTTP2_FLAG_NONE, exchange->id,
                              NGHTTP2_CANCEL);
    channel_flush(channel);
}

/* ---- answers ---- */

static const char *header(const struct http_exchange *exchange, const char *name)
{
    const struct http2_exchange *own = (const struct http2_exchange *)exchange;

    for (unsigned i = 0; i < own->field_count; i++) {
        if (strcasecmp(own->fields[i].name, name) == 0) {
            return own->fields[i].value;
        }
    }
    return NULL;
}

static void set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    struct http2_exchange *own = of(exchange);
    struct field *field;

    if (own->answer_count == FIELDS_MAX) {
        return;
    }
    field = &own->answer[own->answer_count++];
    field->name = memory_strdup(name);
    field->value = memory_strdup(value);
    for (char *at = field->name; *at != '\0'; at++) {
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at); /* RFC 9113, section 8.2 */
    }
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http2_exchange *exchange = source->ptr;
    int n = evbuffer_remove(exchange->out, out, size);

    (void)session;
    (void)id;
    (void)user;
    if (evbuffer_get_length(exchange->out) == 0 && exchange->ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return n;
    }
    return n > 0 ? n : NGHTTP2_ERR_DEFERRED;
}

static void submit(struct http2_exchange *exchange, unsigned status, bool has_body)
{
    nghttp2_session *session = channel_session(exchange->connection->channel);
    nghttp2_data_provider provider = {.source = {.ptr = exchange}, .read_callback = on_read};
    nghttp2_nv fields[FIELDS_MAX + 1];
    size_t count = 0;

    snprintf(exchange->status, sizeof exchange->status, "%u", status % 1000);
    fields[count++] =
        (nghttp2_nv){(uint8_t *)":status", (uint8_t *)exchange->status, 7, 3, NGHTTP2_NV_FLAG_NONE};
    for (unsigned i = 0; i < exchange->answer_count; i++) {
        struct field *field = &exchange->answer[i];
        fields[count++] =
            (nghttp2_nv){(uint8_t *)field->name, (uint8_t *)field->value, strlen(field->name),
                         strlen(field->value), NGHTTP2_NV_FLAG_NONE};
    }
    nghttp2_submit_response(session, exchange->id, fields, count, has_body ? &provider : NULL);
    channel_flush(exchange->connection->channel);
}

static void answer(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size)
{
    struct http2_exchange *own = of(exchange);
    bool is_head = strcmp(own->method, "HEAD") == 0;
    char length[24];

    if (type) {
        snprintf(length, sizeof length, "%zu", size);
        set_header(exchange, "content-type", type);
        set_header(exchange, "content-length", length);
        if (!is_head) {
            evbuffer_add(own->out, body, size);
        }
    }
    own->ended = own->over = true;
    submit(own, status, type && !is_head);
}

static void begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    set_header(exchange, "content-type", type);
    submit(of(exchange), status, true);
}

static int write_some(struct http_exchange *exchange, const void *data, size_t size)
{
    struct http2_exchange *own = of(exchange);
    struct channel *channel = own->connection->channel;

    if (evbuffer_get_length(own->out) + size > HTTP_BACKLOG_MAX) {
        event_add(own->deadline, &at_once);
        return -1;
    }
    evbuffer_add(own->out, data, size);
    nghttp2_session_resume_data(channel_session(channel), own->id);
    channel_flush(channel);
    return 0;
}

static void end(struct http_exchange *exchange)
{
    struct http2_exchange *own = of(exchange);
    struct channel *channel = own->connection->channel;

    own->ended = own->over = true;
    nghttp2_session_resume_data(channel_session(channel), own->id);
    channel_flush(channel);
}

static const struct door functions = {header, set_header, answer, begin, write_some, end};

/* ---- requests ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
                                             exchange_new(user, frame->hd.stream_id));
    }
    return 0;
}

/* A browser may send a cookie in pieces, which belong together (RFC 9113, section 8.2.3). */
static bool add_to_cookie(struct http2_exchange *exchange, const uint8_t *name, size_t name_length,
                          const uint8_t *value, size_t value_length)
{
    for (unsigned i = 0; name_length == 6 && i < exchange->field_count; i++) {
        struct field *field = &exchange->fields[i];
        if (memcmp(name, "cookie", 6) == 0 && strcmp(field->name, "cookie") == 0) {
            char *whole = memory_printf("%s; %.*s", field->value, (int)value_length, value);
            free(field->value);
            field->value = whole;
            return true;
        }
    }
    return false;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    struct http2_exchange *exchange =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (!exchange || exchange->handed_over) {
        return 0;
    }
    exchange->header_size += name_length + value_length + 32; /* RFC 9113, section 6.5.2 */
    if (exchange->header_size > HTTP_HEADERS_MAX || exchange->field_count == FIELDS_MAX) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    }
    if (name_length == 7 && memcmp(name, ":method", 7) == 0) {
        exchange->method = copy(value, value_length);
    } else if (name_length == 5 && memcmp(name, ":path", 5) == 0) {
        exchange->target = copy(value, value_length);
    } else if (!add_to_cookie(exchange, name, name_length, value, value_length)) {
        struct field *field = &exchange->fields[exchange->field_count++];
        bool is_host = name_length == 10 && memcmp(name, ":authority", 10) == 0;
        field->name = is_host ? memory_strdup("host") : copy(name, name_length);
        field->value = copy(value, value_length);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t length, void *user)
{
    struct http2_exchange *exchange = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    (void)user;
    if (!exchange || exchange->over) {
        return 0;
    }
    if (evbuffer_get_length(exchange->body) + length > HTTP_BODY_MAX) {
        static const char text[] =
            "{\"type\":\"about:blank\",\"title\":\"Content Too Large\",\"status\":413,"
            "\"code\":\"body-too-large\",\"detail\":\"a request's body has at most 1 MiB\"}";
        exchange->too_large = true;
        if (exchange->method) {
            answer(&exchange->exchange, 413, "application/problem+json", text, sizeof text - 1);
        }
        return 0;
    }
    evbuffer_add(exchange->body, data, length);
    return 0;
}

static void hand_over(struct http2_exchange *exchange)
{
    struct http_request *request = &exchange->exchange.request;
    const struct http_handler *handler = &exchange->connection->door->handler;
    char *mark = strchr(exchange->target, '?');

    event_del(exchange->deadline);
    exchange->handed_over = true;
    request->body_size = evbuffer_get_length(exchange->body);
    exchange->body_text = memory_zalloc(request->body_size + 1);
    evbuffer_remove(exchange->body, exchange->body_text, request->body_size);
    if (mark) {
        *mark = '\0';
    }
    request->method = strcmp(exchange->method, "HEAD") == 0 ? "GET" : exchange->method;
    request->path = exchange->target;
    request->query = mark ? mark + 1 : "";
    request->body = exchange->body_text;
    handler->serve(handler->argument, &exchange->exchange);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2_exchange *exchange =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)user;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && exchange && !exchange->handed_over &&
        !exchange->over && exchange->method && exchange->target) {
        hand_over(exchange);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct http2_exchange *exchange = nghttp2_session_get_stream_user_data(session, id);

    (void)error_code;
    (void)user;
    if (exchange) {
        if (!exchange->over) {
            exchange_tell_closed(&exchange->exchange);
        }
        exchange_free(exchange);
    }
    return 0;
}

static void configure(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* ---- connections ---- */

static void connection_free(struct connection *connection)
{
    struct http2_exchange *exchange;

    while ((exchange = LIST_FIRST(&connection->exchanges))) {
        if (!exchange->over) {
            exchange_tell_closed(&exchange->exchange);
        }
        exchange_free(exchange);
    }
    LIST_REMOVE(connection, link);
    connection->door->connection_count--;
    event_free(connection->idle);
    free(connection);
}

static void on_channel_closed(void *owner, const char *reason)
{
    (void)reason;
    connection_free(owner);
}

static const struct channel_handlers handlers = {configure, on_channel_closed};

static void on_idle(evutil_socket_t fd, short what, void *argument)
{
    struct connection *connection = argument;

    (void)fd;
    (void)what;
    nghttp2_session_terminate_session(channel_session(connection->channel), NGHTTP2_NO_ERROR);
    channel_flush(connection->channel);
}

/* Of those that do nothing the one that has for the longest. */
static struct connection *idle_connection(const struct http2_door *door)
{
    struct connection *found = NULL;
    struct connection *at;

    LIST_FOREACH (at, &door->connections, link) {
        if (LIST_EMPTY(&at->exchanges)) {
            found = at; /* new ones come in at the head */
        }
    }
    return found;
}

static void take(struct http2_door *door, struct established *established)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADERS_MAX}};
    struct connection *connection;
    struct error err = ERROR_INIT;

    if (door->connection_count >= HTTP_CONNECTIONS_MAX) {
        struct connection *idle = idle_connection(door);
        if (!idle) {
            log_warn("connection refused", LOG_S("address", established->address),
                     LOG_S("detail", "as many are connected as there may be"));
            established_free(established);
            return;
        }
        channel_free(idle->channel);
        connection_free(idle);
    }
    connection = memory_zalloc(sizeof *connection);
    connection->door = door;
    LIST_INIT(&connection->exchanges);
    connection->idle = event_new(loop_base(door->loop), -1, 0, on_idle, connection);
    event_add(connection->idle, &idle_patience);
    LIST_INSERT_HEAD(&door->connections, connection, link);
    door->connection_count++;
    connection->channel =
        channel_new(loop_base(door->loop), established, door->buffers, &handlers, connection, &err);
    if (!connection->channel) {
        connection_free(connection);
        return;
    }
    nghttp2_submit_settings(channel_session(connection->channel), NGHTTP2_FLAG_NONE, settings, 2);
    channel_flush(connection->channel);
}

/* ---- the door ---- */

struct arrival {
    struct http2_door *door;
    struct established *established;
};

static void on_arrival(void *argument)
{
    struct arrival *arrival = argument;

    if (arrival->door->handshaker) {
        take(arrival->door, arrival->established);
    } else {
        established_free(arrival->established);
    }
    free(arrival);
}

/* On a handshake thread. */
static void on_accepted(void *argument, struct established *established)
{
    struct http2_door *door = argument;
    struct arrival *arrival = memory_zalloc(sizeof *arrival);

    arrival->door = door;
    arrival->established = established;
    loop_post(door->loop, on_arrival, arrival);
}

struct http2_door *http2_door_new(struct loop *loop, struct handshaker *handshaker, int fd,
                                  const struct http_handler *handler, struct error *err)
{
    struct http2_door *door = memory_zalloc(sizeof *door);

    door->loop = loop;
    door->handshaker = handshaker;
    door->handler = *handler;
    door->buffers = buffers_new();
    LIST_INIT(&door->connections);
    if (handshaker_listen(handshaker, fd, TLS_ANYBODY, on_accepted, door, err) != 0) {
        http2_door_free(door);
        return NULL;
    }
    return door;
}

void http2_door_free(struct http2_door *door)
{
    struct connection *connection;

    if (!door) {
        return;
    }
    handshaker_free(door->handshaker);
    door->handshaker = NULL;
    loop_drain(door->loop); /* arrivals that were posted */
    while ((connection = LIST_FIRST(&door->connections))) {
        /* Last: what can still be said is taken from the exchanges. */
        channel_free(connection->channel);
        connection_free(connection);
    }
    buffers_free(door->buffers);
    free(door);
}
