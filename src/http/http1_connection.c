#include "http1_connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "appnet/base/memory.h"
#include "appnet/base/socket.h"
#include "chunks.h"
#include "door.h"
#include "http1_head.h"
#include "problem.h"

/* What is read ahead while a request is being served. */
#define READ_AHEAD 32768
/* A client that is refused may take so long, and send so much, before it has read why. */
#define LINGER_SECONDS 2
#define LINGER_BYTES (16 << 20)

enum state {
    IDLE,      /* nothing of the next request has come */
    HEAD,      /* some of it has */
    BODY,      /* its head has */
    SERVING,   /* the handler has it */
    STREAMING, /* its answer has begun */
    WRITING,   /* its answer is whole, and on its way */
    LINGERING  /* our side is shut */
};

/* One client, and its one request at a time. */
struct http1_connection {
    struct http_exchange exchange; /* first: the one is a pointer to the other */
    TAILQ_ENTRY(http1_connection) link;
    struct http1_room *room;
    enum state state;
    struct bufferevent *stream;
    struct event *timer; /* what it means depends on the state */
    struct event *turn;  /* what is not to be done within a call of the handler's */
    size_t searched;     /* of the head, and its end is not in it */
    struct http1_head head;
    struct chunks chunks;
    struct body body;
    struct fields answer;         /* what the handler says in front of its answer */
    uint64_t taken, taken_before; /* bytes of answers; and when the timer was set */
    size_t lingered;
    bool ended;   /* the client says no more */
    bool last;    /* the connection ends behind the answer */
    bool is_cut;  /* from the next turn of the loop on */
    bool is_over; /* an answer without a body goes on for its handler only */
    char address[ADDRESS_TEXT_SIZE];
};

/* ---- connections ---- */

static struct http1_list *list_of(struct http1_connection *connection)
{
    switch (connection->state) {
    case IDLE:
    case LINGERING:
        return &connection->room->idle;
    case HEAD:
    case BODY:
        return &connection->room->unfinished;
    default:
        return &connection->room->busy;
    }
}

static void set_timer(struct http1_connection *connection, int seconds)
{
    const struct timeval after = {seconds, 0};

    event_add(connection->timer, &after);
}

/* The only one that changes a connection's state. */
static void change_state(struct http1_connection *connection, enum state state)
{
    TAILQ_REMOVE(list_of(connection), connection, link);
    connection->state = state;
    TAILQ_INSERT_TAIL(list_of(connection), connection, link);
    connection->room->changed(connection->room);
    connection->taken_before = connection->taken;
    switch (state) {
    case IDLE:
        set_timer(connection, HTTP_IDLE_SECONDS);
        break;
    case HEAD:
        set_timer(connection, HTTP_REQUEST_SECONDS);
        break;
    case BODY: /* its time goes on */
        break;
    case SERVING:
        event_del(connection->timer);
        break;
    case STREAMING:
    case WRITING:
        set_timer(connection, HTTP_STALL_SECONDS);
        break;
    case LINGERING:
        set_timer(connection, LINGER_SECONDS);
        break;
    }
}

/* Nothing of the last request is left. */
static void forget_request(struct http1_connection *connection)
{
    body_clear(&connection->body, &connection->room->bodies);
    http1_head_clear(&connection->head);
    fields_clear(&connection->answer);
    connection->searched = 0;
    connection->chunks = (struct chunks){0};
}

/* The one exit. Not from within a call of the handler's. */
void http1_connection_end(struct http1_connection *connection)
{
    struct http1_room *room = connection->room;

    TAILQ_REMOVE(list_of(connection), connection, link);
    room->count--;
    room->changed(room);
    exchange_tell_closed(&connection->exchange);
    forget_request(connection);
    if (connection->timer) {
        event_free(connection->timer);
    }
    if (connection->turn) {
        event_free(connection->turn);
    }
    if (connection->stream) {
        bufferevent_free(connection->stream);
    }
    free(connection);
}

static struct evbuffer *output_of(const struct http1_connection *connection)
{
    return bufferevent_get_output(connection->stream);
}

/* ---- answers ---- */

static struct http1_connection *of(struct http_exchange *exchange)
{
    return (struct http1_connection *)exchange;
}

static const char *header(const struct http_exchange *exchange, const char *name)
{
    return fields_find(&((const struct http1_connection *)exchange)->head.fields, name);
}

static void set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    fields_add(&of(exchange)->answer, name, strlen(name), value, strlen(value));
}

/* `length` is the body's; negative: it will be known when it ends. */
static void write_head(struct http1_connection *connection, unsigned status, const char *type,
                       int64_t length)
{
    struct evbuffer *out = output_of(connection);
    const struct fields *fields = &connection->answer;
    char date[HTTP_DATE_SIZE];

    problem_date(date);
    evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, http_status_text(status),
                        date);
    for (unsigned i = 0; i < fields->count; i++) {
        evbuffer_add_printf(out, "%s: %s\r\n", fields->all[i].name, fields->all[i].value);
    }
    if (type) {
        evbuffer_add_printf(out, "Content-Type: %s\r\n", type);
    }
    if (length >= 0 && status != 204 && status != 304) {
        evbuffer_add_printf(out, "Content-Length: %lld\r\n", (long long)length);
    } else if (length < 0 && !connection->head.old) {
        evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
    }
    evbuffer_add_printf(out, connection->last ? "Connection: close\r\n\r\n" : "\r\n");
}

/* The answer is whole, and nobody looks at the request any more. */
static void conclude(struct http1_connection *connection)
{
    body_clear(&connection->body, &connection->room->bodies);
    change_state(connection, WRITING);
}

static void answer(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size)
{
    struct http1_connection *connection = of(exchange);

    if (!type) {
        size = 0;
    }
    connection->last = connection->last || connection->head.close;
    write_head(connection, status, type, (int64_t)size);
    if (size > 0 && !connection->head.is_head && status != 204) {
        evbuffer_add(output_of(connection), body, size);
    }
    conclude(connection);
}

static void next_turn(struct http1_connection *connection)
{
    event_active(connection->turn, EV_TIMEOUT, 0);
}

/* A client that has said all it has to say, or that wants no body, does not wait for the end of an
 * answer that has none. */
static void begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    struct http1_connection *connection = of(exchange);

    connection->last = connection->last || connection->head.close;
    write_head(connection, status, type, -1);
    change_state(connection, STREAMING);
    connection->is_over = connection->head.is_head;
    connection->is_cut = connection->ended && !connection->is_over;
    if (connection->is_over || connection->is_cut) {
        next_turn(connection);
    }
}

static int write_some(struct http_exchange *exchange, const void *data, size_t size)
{
    struct http1_connection *connection = of(exchange);
    struct evbuffer *out = output_of(connection);

    if (connection->is_cut) {
        return -1;
    }
    if (connection->is_over || size == 0) {
        return 0;
    }
    if (evbuffer_get_length(out) + size > HTTP_BACKLOG_MAX) {
        connection->is_cut = true;
        next_turn(connection);
        return -1;
    }
    if (connection->head.old) {
        evbuffer_add(out, data, size);
        return 0;
    }
    evbuffer_add_printf(out, "%zx\r\n", size);
    evbuffer_add(out, data, size);
    evbuffer_add(out, "\r\n", 2);
    return 0;
}

static void finish(struct http_exchange *exchange)
{
    struct http1_connection *connection = of(exchange);

    if (!connection->head.old && !connection->head.is_head) {
        evbuffer_add(output_of(connection), "0\r\n\r\n", 5);
    }
    connection->is_over = false;
    conclude(connection);
    next_turn(connection); /* all may be sent already */
}

static const struct door functions = {header, set_header, answer, begin, write_some, finish};

/* The door's own answer, after which the connection ends: where the next request would begin is not
 * known. */
static void refuse(struct http1_connection *connection, const struct problem *problem)
{
    char text[PROBLEM_SIZE];
    size_t length = problem_format(text, problem);

    problem_log(&connection->room->log_limit, connection->address, problem);
    connection->last = true;
    answer(&connection->exchange, problem->status, PROBLEM_TYPE, text, length);
}

/* ---- requests ---- */

static void serve(struct http1_connection *connection)
{
    const struct http_handler *handler = &connection->room->handler;
    const struct body *body = &connection->body;

    connection->exchange = (struct http_exchange){
        .door = &functions,
        .request = {.method = connection->head.method,
                    .path = connection->head.path,
                    .query = connection->head.query,
                    .body = body->bytes ? body->bytes : "",
                    .body_size = body->size,
                    .client = connection->address},
    };
    change_state(connection, SERVING);
    handler->serve(handler->argument, &connection->exchange);
}

/* Adds to the body. False: the request is refused. */
static bool keep(struct http1_connection *connection, const void *data, size_t size)
{
    switch (body_add(&connection->body, &connection->room->bodies, data, size)) {
    case BODY_ADDED:
        return true;
    case BODY_TOO_LARGE:
        refuse(connection, &problem_body_too_large);
        return false;
    default:
        refuse(connection, &problem_busy);
        return false;
    }
}

/* A contiguous piece of the input, in the order it came. */
static size_t peek(struct evbuffer *input, struct evbuffer_iovec *piece)
{
    return evbuffer_peek(input, -1, NULL, piece, 1) > 0 ? piece->iov_len : 0;
}

/* The body as far as it has come. True: it is whole. */
static bool take_counted(struct http1_connection *connection, struct evbuffer *input)
{
    struct evbuffer_iovec piece;
    size_t size;

    while (connection->body.size < connection->head.length && (size = peek(input, &piece)) > 0) {
        if (size > connection->head.length - connection->body.size) {
            size = (size_t)(connection->head.length - connection->body.size);
        }
        if (!keep(connection, piece.iov_base, size)) {
            return false;
        }
        evbuffer_drain(input, size);
    }
    return connection->body.size == connection->head.length;
}

static const struct problem not_in_chunks = {400, "malformed",
                                             "the request's body is not in proper chunks"};

static bool take_chunks(struct http1_connection *connection, struct evbuffer *input)
{
    struct evbuffer_iovec piece;
    const char *plain = NULL;
    size_t length = 0;
    size_t taken;
    size_t size;

    while ((size = peek(input, &piece)) > 0) {
        switch (chunks_take(&connection->chunks, piece.iov_base, size, &taken, &plain, &length)) {
        case CHUNKS_DATA:
            if (!keep(connection, plain, length)) {
                return false;
            }
            break;
        case CHUNKS_END:
            evbuffer_drain(input, taken);
            return true;
        case CHUNKS_MALFORMED:
            refuse(connection, &not_in_chunks);
            return false;
        case CHUNKS_MORE:
            break;
        }
        evbuffer_drain(input, taken);
    }
    return false;
}

static void take_body(struct http1_connection *connection, struct evbuffer *input)
{
    if (connection->head.chunked ? take_chunks(connection, input)
                                 : take_counted(connection, input)) {
        serve(connection);
    }
}

static void take_head(struct http1_connection *connection, size_t size)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);
    const char *data = (const char *)evbuffer_pullup(input, (ev_ssize_t)size);
    const char *why = "there is no memory to read it";
    unsigned status = data ? http1_head_parse(data, size, &connection->head, &why) : 503;

    evbuffer_drain(input, size);
    change_state(connection, BODY);
    if (status != 0) {
        struct problem malformed = problem_malformed(status, why);
        refuse(connection, status == 431 ? &problem_headers_too_large : &malformed);
        return;
    }
    if (connection->head.length > HTTP_BODY_MAX) {
        refuse(connection, &problem_body_too_large);
        return;
    }
    if (connection->head.expects && evbuffer_get_length(input) == 0) {
        evbuffer_add_printf(output_of(connection), "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

/* True: a head has been taken, so there may be more to do. */
static bool look_for_head(struct http1_connection *connection, struct evbuffer *input)
{
    size_t length = evbuffer_get_length(input);
    struct evbuffer_ptr from;
    struct evbuffer_ptr found;

    evbuffer_ptr_set(input, &from, connection->searched, EVBUFFER_PTR_SET);
    found = evbuffer_search(input, "\r\n\r\n", 4, &from);
    if (found.pos >= 0 && (size_t)found.pos + 4 <= HTTP_HEADERS_MAX) {
        take_head(connection, (size_t)found.pos + 4);
        return true;
    }
    if (found.pos >= 0 || length > HTTP_HEADERS_MAX) {
        refuse(connection, &problem_headers_too_large);
        return false;
    }
    connection->searched = length > 3 ? length - 3 : 0;
    return false;
}

/* Empty lines in front of a request are to be ignored: RFC 9112, section 2.2. */
static bool has_begun(struct evbuffer *input)
{
    struct evbuffer_iovec piece;

    while (peek(input, &piece) > 0) {
        char first = *(const char *)piece.iov_base;
        if (first != '\r' && first != '\n') {
            return true;
        }
        evbuffer_drain(input, 1);
    }
    return false;
}

/* Goes as far as what has come allows. */
static void proceed(struct http1_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);

    if (connection->state == IDLE && has_begun(input)) {
        change_state(connection, HEAD);
    }
    if (connection->state == HEAD && !look_for_head(connection, input)) {
        return;
    }
    if (connection->state == BODY) {
        take_body(connection, input);
    }
}

/* ---- events ---- */

/* Of one that has been refused. */
static void discard(struct http1_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);

    connection->lingered += evbuffer_get_length(input);
    evbuffer_drain(input, evbuffer_get_length(input));
    if (connection->lingered > LINGER_BYTES) {
        http1_connection_end(connection);
    }
}

/* Called when the answer is sent. */
static void go_on(struct http1_connection *connection)
{
    bufferevent_enable(connection->stream, EV_READ);
    if (connection->last) {
        bufferevent_disable(connection->stream, EV_WRITE);
        shutdown(bufferevent_getfd(connection->stream), SHUT_WR);
        change_state(connection, LINGERING);
        if (connection->ended) {
            http1_connection_end(connection);
        } else {
            discard(connection); /* what was read ahead; with that in its place, no more is read */
        }
        return;
    }
    forget_request(connection);
    change_state(connection, IDLE);
    proceed(connection);
    if (connection->ended && connection->state < SERVING) {
        http1_connection_end(connection);
    }
}

static void on_read(struct bufferevent *stream, void *argument)
{
    struct http1_connection *connection = argument;

    if (connection->state == LINGERING) {
        discard(connection);
        return;
    }
    proceed(connection);
    /* libevent calls again and again as long as there is so much, unless it is told not to read. */
    if (connection->state >= SERVING &&
        evbuffer_get_length(bufferevent_get_input(stream)) >= READ_AHEAD) {
        bufferevent_disable(stream, EV_READ);
    }
}

/* The output has run empty. */
static void on_written(struct bufferevent *stream, void *argument)
{
    struct http1_connection *connection = argument;

    (void)stream;
    if (connection->state == WRITING) {
        go_on(connection);
    }
}

static void on_event(struct bufferevent *stream, short what, void *argument)
{
    struct http1_connection *connection = argument;

    (void)stream;
    connection->ended = true;
    /* Somebody who has said all may still want to hear the answer, if that has an end. */
    if ((what & BEV_EVENT_EOF) == 0 ||
        (connection->state != SERVING && connection->state != WRITING)) {
        http1_connection_end(connection);
    }
}

static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *change,
                      void *argument)
{
    struct http1_connection *connection = argument;

    (void)buffer;
    connection->taken += change->n_deleted;
}

/* Nothing was taken for a while, although there was something to take. */
static bool is_stalled(struct http1_connection *connection)
{
    bool stalled = connection->taken == connection->taken_before &&
                   evbuffer_get_length(output_of(connection)) > 0;

    connection->taken_before = connection->taken;
    set_timer(connection, HTTP_STALL_SECONDS);
    return stalled;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct http1_connection *connection = argument;

    (void)fd;
    (void)what;
    switch (connection->state) {
    case IDLE:
    case LINGERING:
        http1_connection_end(connection);
        break;
    case HEAD:
    case BODY:
        refuse(connection, &problem_timeout);
        break;
    case SERVING:
        break;
    case STREAMING:
    case WRITING:
        if (is_stalled(connection)) {
            http1_connection_end(connection);
        }
        break;
    }
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
    struct http1_connection *connection = argument;

    (void)fd;
    (void)what;
    if (connection->is_cut) {
        http1_connection_end(connection);
        return;
    }
    if (connection->is_over) {
        connection->is_over = false;
        change_state(connection, WRITING);
        exchange_tell_closed(&connection->exchange);
    }
    if (connection->state == WRITING && evbuffer_get_length(output_of(connection)) == 0) {
        go_on(connection);
    }
}

/* ---- making ---- */

void http1_connection_new(struct http1_room *room, int fd)
{
    struct http1_connection *connection = memory_zalloc(sizeof *connection);

    socket_prepare(fd, socket_is_local(fd));
    socket_keep_alive(fd);
    socket_peer_format(fd, connection->address, sizeof connection->address);
    connection->room = room;
    TAILQ_INSERT_TAIL(&room->idle, connection, link);
    room->count++;
    connection->stream = bufferevent_socket_new(room->base, fd, BEV_OPT_CLOSE_ON_FREE);
    connection->timer = event_new(room->base, -1, 0, on_timer, connection);
    connection->turn = event_new(room->base, -1, 0, on_turn, connection);
    if (!connection->stream || !connection->timer || !connection->turn) {
        if (!connection->stream) {
            close(fd);
        }
        http1_connection_end(connection);
        return;
    }
    evbuffer_add_cb(output_of(connection), on_output, connection);
    bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
    bufferevent_setwatermark(connection->stream, EV_READ, 0, READ_AHEAD);
    set_timer(connection, HTTP_REQUEST_SECONDS);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}
