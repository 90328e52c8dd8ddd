#include "appnet/http/http1_door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "appnet/base/address.h"
#include "appnet/base/memory.h"
#include "door.h"

struct http1_exchange {
    struct http_exchange exchange; /* first: the one is a pointer to the other */
    LIST_ENTRY(http1_exchange) link;
    struct http1_door *door;
    struct evhttp_request *request;
    struct event *cut; /* of a reader who left too much lying */
    char client[ADDRESS_TEXT_SIZE];
    char *body;
    bool is_head, began;
};

struct http1_door {
    struct event_base *base;
    struct evhttp *server;
    struct http_handler handler;
    LIST_HEAD(, http1_exchange) exchanges;
};

static struct http1_exchange *of(struct http_exchange *exchange)
{
    return (struct http1_exchange *)exchange;
}

static void forget(struct http1_exchange *exchange)
{
    LIST_REMOVE(exchange, link);
    if (exchange->cut) {
        event_free(exchange->cut);
    }
    free(exchange->body);
    free(exchange);
}

/* libevent's last word on a connection. */
static void on_closed(struct evhttp_connection *connection, void *argument)
{
    struct http1_exchange *exchange = argument;

    (void)connection;
    exchange_tell_closed(&exchange->exchange);
    forget(exchange);
}

static void watch_connection(struct http1_exchange *exchange, bool watch)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(exchange->request),
                                  watch ? on_closed : NULL, exchange);
}

/* ---- answers ---- */

static const char *header(const struct http_exchange *exchange, const char *name)
{
    const struct http1_exchange *own = (const struct http1_exchange *)exchange;

    return evhttp_find_header(evhttp_request_get_input_headers(own->request), name);
}

static void set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(of(exchange)->request), name, value);
}

static void set_length(struct http_exchange *exchange, size_t size)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", size);
    set_header(exchange, "Content-Length", text);
}

static void answer(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size)
{
    struct http1_exchange *own = of(exchange);
    struct evbuffer *buffer = evbuffer_new();

    if (type) {
        set_header(exchange, "Content-Type", type);
        set_length(exchange, size);
        if (!own->is_head) {
            evbuffer_add(buffer, body, size);
        }
    }
    watch_connection(own, false);
    evhttp_send_reply(own->request, (int)status, NULL, buffer);
    evbuffer_free(buffer);
    forget(own);
}

static void begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    struct http1_exchange *own = of(exchange);

    set_header(exchange, "Content-Type", type);
    own->began = true;
    evhttp_connection_set_timeout(evhttp_request_get_connection(own->request), 0);
    evhttp_send_reply_start(own->request, (int)status, NULL);
}

static void on_cut(evutil_socket_t fd, short what, void *argument)
{
    struct http1_exchange *exchange = argument;

    (void)fd;
    (void)what;
    evhttp_connection_free(evhttp_request_get_connection(exchange->request));
}

static int write_some(struct http_exchange *exchange, const void *data, size_t size)
{
    struct http1_exchange *own = of(exchange);
    struct bufferevent *stream =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(own->request));
    struct evbuffer *buffer;

    if (own->cut) {
        return -1;
    }
    if (evbuffer_get_length(bufferevent_get_output(stream)) + size > HTTP_BACKLOG_MAX) {
        own->cut = event_new(own->door->base, -1, 0, on_cut, own);
        event_active(own->cut, EV_TIMEOUT, 0);
        return -1;
    }
    if (own->is_head) {
        return 0;
    }
    buffer = evbuffer_new();
    evbuffer_add(buffer, data, size);
    evhttp_send_reply_chunk(own->request, buffer);
    evbuffer_free(buffer);
    return 0;
}

static void end(struct http_exchange *exchange)
{
    struct http1_exchange *own = of(exchange);

    watch_connection(own, false);
    evhttp_send_reply_end(own->request);
    forget(own);
}

static const struct door functions = {header, set_header, answer, begin, write_some, end};

/* ---- requests ---- */

static const char *method_text(enum evhttp_cmd_type command)
{
    switch (command) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD: /* the answer leaves the body out: RFC 9110, section 9.3.2 */
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    default:
        return "OPTIONS";
    }
}

static char *take_body(struct evhttp_request *request, size_t *size)
{
    struct evbuffer *buffer = evhttp_request_get_input_buffer(request);
    char *body;

    *size = evbuffer_get_length(buffer);
    body = memory_zalloc(*size + 1);
    evbuffer_remove(buffer, body, *size);
    return body;
}

static void on_request(struct evhttp_request *request, void *argument)
{
    struct http1_door *door = argument;
    struct http1_exchange *exchange = memory_zalloc(sizeof *exchange);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
    struct http_request *out = &exchange->exchange.request;

    exchange->exchange.door = &functions;
    exchange->door = door;
    exchange->request = request;
    exchange->is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    exchange->body = take_body(request, &out->body_size);
    socket_peer_format(bufferevent_getfd(evhttp_connection_get_bufferevent(
                           evhttp_request_get_connection(request))),
                       exchange->client, sizeof exchange->client);
    out->method = method_text(evhttp_request_get_command(request));
    out->path = path ? path : "";
    out->query = query ? query : "";
    out->body = exchange->body;
    out->client = exchange->client;
    LIST_INSERT_HEAD(&door->exchanges, exchange, link);
    watch_connection(exchange, true);
    door->handler.serve(door->handler.argument, &exchange->exchange);
}

/* ---- the door ---- */

struct http1_door *http1_door_new(struct event_base *base, int fd,
                                  const struct http_handler *handler, struct error *err)
{
    struct http1_door *door = memory_zalloc(sizeof *door);

    door->base = base;
    door->handler = *handler;
    LIST_INIT(&door->exchanges);
    door->server = evhttp_new(base);
    if (!door->server || evhttp_accept_socket(door->server, fd) != 0) {
        close(fd);
        http1_door_free(door);
        error_set(err, "no memory to serve HTTP");
        return NULL;
    }
    evhttp_set_allowed_methods(door->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                                 EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                 EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_timeout(door->server, HTTP_REQUEST_SECONDS);
    evhttp_set_max_headers_size(door->server, HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(door->server, HTTP_BODY_MAX);
    evhttp_set_gencb(door->server, on_request, door);
    return door;
}

void http1_door_free(struct http1_door *door)
{
    struct http1_exchange *exchange;

    if (!door) {
        return;
    }
    while ((exchange = LIST_FIRST(&door->exchanges))) {
        watch_connection(exchange, false);
        exchange_tell_closed(&exchange->exchange);
        forget(exchange);
    }
    if (door->server) {
        evhttp_free(door->server);
    }
    free(door);
}
