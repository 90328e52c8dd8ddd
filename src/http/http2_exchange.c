#include "http2_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "appnet/base/memory.h"
#include "door.h"
#include "fields.h"
#include "problem.h"
#include "target.h"

enum state {
    HEAD,      /* it is coming in */
    BODY,      /* its head is whole */
    SERVING,   /* the handler has it */
    STREAMING, /* its answer has begun */
    WRITING    /* its answer is whole, and on its way; the handler knows it no more */
};

struct http2_exchange {
    struct http_exchange exchange; /* first: the one is a pointer to the other */
    LIST_ENTRY(http2_exchange) link;
    struct http2_connection *connection;
    int32_t id;
    enum state state;
    struct event *timer; /* of the request; then of a reader, while something waits for him */
    char *method, *path, *query;
    bool is_head;
    struct fields fields;
    size_t head_size;
    struct problem wrong; /* with its head; status 0: nothing */
    struct body body;
    struct fields answer; /* what the handler says in front of its answer */
    struct evbuffer *out; /* of the answer, what has not left yet */
    bool is_cut;          /* from the next turn of the loop on */
};

static const struct timeval request_patience = {HTTP_REQUEST_SECONDS, 0};
static const struct timeval stall_patience = {HTTP_STALL_SECONDS, 0};
static const struct timeval at_once = {0, 0};

static const struct door functions;

static struct http2_exchange *of(struct http_exchange *exchange)
{
    return (struct http2_exchange *)exchange;
}

static struct allowance *allowance_of(const struct http2_exchange *exchange)
{
    struct http2_connection *connection = exchange->connection;

    return http2_connection_is_stranger(connection) ? &connection->room->strangers
                                                    : &connection->room->instances;
}

/* ---- from beginning to end ---- */

static void on_timer(evutil_socket_t fd, short what, void *argument);

struct http2_exchange *http2_exchange_new(struct http2_connection *connection, int32_t id)
{
    struct http2_exchange *exchange = memory_zalloc(sizeof *exchange);

    exchange->exchange.door = &functions;
    exchange->connection = connection;
    exchange->id = id;
    exchange->out = evbuffer_new();
    exchange->timer = event_new(connection->room->base, -1, 0, on_timer, exchange);
    event_add(exchange->timer, &request_patience);
    LIST_INSERT_HEAD(&connection->exchanges, exchange, link);
    http2_connection_changed(connection);
    return exchange;
}

struct http2_exchange *http2_exchange_first(const struct http2_connection *connection)
{
    return LIST_FIRST(&connection->exchanges);
}

bool http2_exchange_any_served(const struct http2_connection *connection)
{
    const struct http2_exchange *at;

    LIST_FOREACH (at, &connection->exchanges, link) {
        if (at->state == SERVING || at->state == STREAMING) {
            return true;
        }
    }
    return false;
}

void http2_exchange_end(struct http2_exchange *exchange)
{
    struct http2_connection *connection = exchange->connection;

    LIST_REMOVE(exchange, link);
    if (exchange->state != WRITING) {
        exchange_tell_closed(&exchange->exchange);
    }
    http2_connection_changed(connection);
    event_free(exchange->timer);
    http2_connection_sub_untaken(connection, evbuffer_get_length(exchange->out));
    evbuffer_free(exchange->out);
    body_clear(&exchange->body, allowance_of(exchange));
    fields_clear(&exchange->fields);
    fields_clear(&exchange->answer);
    free(exchange->method);
    free(exchange->path);
    free(exchange);
}

/* A reader who takes nothing. If the socket is full of what was said, nothing more can be said to
 * him, not even that he is cut. */
static void cut(const struct http2_exchange *exchange)
{
    struct channel *channel = exchange->connection->channel;

    if (channel_is_blocked(channel)) {
        channel_close(channel, "the peer does not read its answers");
        return;
    }
    nghttp2_submit_rst_stream(channel_session(channel), NGHTTP2_FLAG_NONE, exchange->id,
                              NGHTTP2_CANCEL);
    channel_flush(channel);
}

/* ---- answers ---- */

static const char *header(const struct http_exchange *exchange, const char *name)
{
    return fields_find(&((const struct http2_exchange *)exchange)->fields, name);
}

/* Names are in lower case: RFC 9113, section 8.2. */
static void set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    struct fields *fields = &of(exchange)->answer;

    if (fields_add(fields, name, strlen(name), value, strlen(value))) {
        for (char *at = fields->all[fields->count - 1].name; *at != '\0'; at++) {
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
        }
    }
}

/* Lays it ready to be taken. */
static void put(struct http2_exchange *exchange, const void *data, size_t size)
{
    if (evbuffer_get_length(exchange->out) == 0) {
        event_add(exchange->timer, &stall_patience);
    }
    evbuffer_add(exchange->out, data, size);
    http2_connection_add_untaken(exchange->connection, size);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http2_exchange *exchange = source->ptr;
    int n;

    (void)session;
    (void)id;
    (void)user;
    if (exchange->is_cut) { /* what follows was not kept */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    n = evbuffer_remove(exchange->out, out, size);
    if (n > 0) {
        http2_connection_sub_untaken(exchange->connection, (size_t)n);
    }
    if (evbuffer_get_length(exchange->out) > 0) {
        event_add(exchange->timer, &stall_patience);
        return n;
    }
    event_del(exchange->timer);
    if (exchange->state == WRITING) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return n;
    }
    return n > 0 ? n : NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv field_of(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void submit(struct http2_exchange *exchange, unsigned status, bool has_body)
{
    struct channel *channel = exchange->connection->channel;
    nghttp2_data_provider provider = {.source = {.ptr = exchange}, .read_callback = on_read};
    nghttp2_nv fields[FIELDS_MAX + 2];
    char status_text[8];
    char date[HTTP_DATE_SIZE];
    size_t count = 0;

    snprintf(status_text, sizeof status_text, "%03u", status % 1000);
    problem_date(date);
    fields[count++] = field_of(":status", status_text);
    fields[count++] = field_of("date", date);
    for (unsigned i = 0; i < exchange->answer.count; i++) {
        fields[count++] = field_of(exchange->answer.all[i].name, exchange->answer.all[i].value);
    }
    nghttp2_submit_response(channel_session(channel), exchange->id, fields, count,
                            has_body ? &provider : NULL);
    channel_flush(channel);
}

/* The answer is whole, and nobody looks at the request any more. */
static void conclude(struct http2_exchange *exchange)
{
    exchange->state = WRITING;
    body_clear(&exchange->body, allowance_of(exchange));
}

static void answer(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size)
{
    struct http2_exchange *own = of(exchange);
    bool has_body = type && !own->is_head;
    char length[24];

    event_del(own->timer);
    if (type) {
        snprintf(length, sizeof length, "%zu", size);
        set_header(exchange, "content-type", type);
        set_header(exchange, "content-length", length);
    }
    if (has_body && size > 0) {
        put(own, body, size);
    }
    conclude(own);
    if (own->connection->channel) {
        submit(own, status, has_body);
    }
}

/* Whoever wants no body does not wait for the end of an answer that has none: its stream ends, and
 * the handler hears of that. */
static void begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    struct http2_exchange *own = of(exchange);

    own->state = STREAMING;
    if (type) {
        set_header(exchange, "content-type", type);
    }
    if (own->connection->channel) {
        submit(own, status, !own->is_head);
    }
}

static int write_some(struct http_exchange *exchange, const void *data, size_t size)
{
    struct http2_exchange *own = of(exchange);
    struct channel *channel = own->connection->channel;

    if (own->is_cut || !channel) {
        return -1;
    }
    if (own->is_head || size == 0) {
        return 0;
    }
    if (evbuffer_get_length(own->out) + size > HTTP_BACKLOG_MAX) {
        own->is_cut = true;
        event_add(own->timer, &at_once);
        return -1;
    }
    put(own, data, size);
    nghttp2_session_resume_data(channel_session(channel), own->id);
    channel_flush(channel);
    return 0;
}

static void finish(struct http_exchange *exchange)
{
    struct http2_exchange *own = of(exchange);
    struct channel *channel = own->connection->channel;

    conclude(own);
    if (channel) {
        nghttp2_session_resume_data(channel_session(channel), own->id);
        channel_flush(channel);
    }
}

static const struct door functions = {header, set_header, answer, begin, write_some, finish};

/* The door's own answer. What is still to come of the request is not wanted: its stream is reset
 * behind the answer (RFC 9113, section 8.1). */
static void refuse(struct http2_exchange *exchange, const struct problem *problem)
{
    char text[PROBLEM_SIZE];
    size_t length = problem_format(text, problem);
    struct http2_connection *connection = exchange->connection;

    problem_log(&connection->room->log_limit, connection->address, problem);
    answer(&exchange->exchange, problem->status, PROBLEM_TYPE, text, length);
}

/* ---- time ---- */

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct http2_exchange *exchange = argument;

    (void)fd;
    (void)what;
    switch (exchange->state) {
    case HEAD: /* and until it is whole, nothing else can come on this connection */
        http2_connection_terminate(exchange->connection, NGHTTP2_ENHANCE_YOUR_CALM);
        break;
    case BODY:
        refuse(exchange, &problem_timeout);
        break;
    case SERVING:
        break;
    case STREAMING:
    case WRITING:
        cut(exchange);
        break;
    }
}

/* ---- requests ---- */

static bool is(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

static void find_wrong(struct http2_exchange *exchange, const struct problem *problem)
{
    if (exchange->wrong.status == 0) {
        exchange->wrong = *problem;
    }
}

static void find_malformed(struct http2_exchange *exchange, const char *why)
{
    struct problem malformed = problem_malformed(400, why);

    find_wrong(exchange, &malformed);
}

static void take_pseudo_field(struct http2_exchange *exchange, const char *name, size_t name_length,
                              const char *value, size_t length)
{
    if (is(name, name_length, ":method")) {
        exchange->is_head = is(value, length, "HEAD");
        exchange->method = memory_printf("%.*s", (int)length, exchange->is_head ? "GET" : value);
    } else if (is(name, name_length, ":path")) {
        exchange->path = target_parse(value, length, &exchange->query);
    } else if (is(name, name_length, ":authority") &&
               !fields_add(&exchange->fields, "host", 4, value, length)) {
        find_malformed(exchange, "the request's authority holds what is not allowed");
    }
}

/* A browser may send a cookie in pieces, which belong together (RFC 9113, section 8.2.3). */
static bool add_to_cookie(struct fields *fields, const char *name, size_t name_length,
                          const char *value, size_t length)
{
    if (!is(name, name_length, "cookie") || !field_value_valid(value, length)) {
        return false;
    }
    for (unsigned i = 0; i < fields->count; i++) {
        struct field *field = &fields->all[i];
        if (strcmp(field->name, "cookie") == 0) {
            char *whole = memory_printf("%s; %.*s", field->value, (int)length, value);
            free(field->value);
            field->value = whole;
            return true;
        }
    }
    return false;
}

void http2_exchange_take_field(struct http2_exchange *exchange, const char *name,
                               size_t name_length, const char *value, size_t value_length)
{
    exchange->head_size += name_length + value_length + 32; /* RFC 9113, section 6.5.2 */
    if (exchange->head_size > HTTP_HEADERS_MAX || exchange->fields.count == FIELDS_MAX) {
        find_wrong(exchange, &problem_headers_too_large);
    }
    if (exchange->wrong.status != 0) {
        return;
    }
    if (name_length > 0 && name[0] == ':') {
        take_pseudo_field(exchange, name, name_length, value, value_length);
    } else if (!add_to_cookie(&exchange->fields, name, name_length, value, value_length) &&
               !fields_add(&exchange->fields, name, name_length, value, value_length)) {
        find_malformed(exchange, "a header field holds what is not allowed");
    }
}

void http2_exchange_take_head(struct http2_exchange *exchange)
{
    exchange->state = BODY;
    if (!exchange->method || !exchange->path) {
        find_malformed(exchange, "the request's target is not a path");
    }
    if (fields_count_of(&exchange->fields, "authorization") > 1) {
        find_malformed(exchange, "there is more than one Authorization field");
    }
    if (exchange->wrong.status != 0) {
        refuse(exchange, &exchange->wrong);
    }
}

void http2_exchange_take_data(struct http2_exchange *exchange, const void *data, size_t size)
{
    if (exchange->state != BODY) {
        return;
    }
    switch (body_add(&exchange->body, allowance_of(exchange), data, size)) {
    case BODY_ADDED:
        break;
    case BODY_TOO_LARGE:
        refuse(exchange, &problem_body_too_large);
        break;
    case BODY_NO_ROOM:
        refuse(exchange, &problem_busy);
        break;
    }
}

void http2_exchange_take_end(struct http2_exchange *exchange)
{
    const struct http2_connection *connection = exchange->connection;
    const struct http_handler *handler = &connection->room->handler;

    if (exchange->state != BODY) {
        return;
    }
    event_del(exchange->timer);
    exchange->state = SERVING;
    exchange->exchange.request = (struct http_request){
        .method = exchange->method,
        .path = exchange->path,
        .query = exchange->query,
        .body = exchange->body.bytes ? exchange->body.bytes : "",
        .body_size = exchange->body.size,
        .peer = http2_connection_is_stranger(connection) ? NULL : &connection->peer,
        .client = connection->address,
        .secure = true,
    };
    handler->serve(handler->argument, &exchange->exchange);
}
