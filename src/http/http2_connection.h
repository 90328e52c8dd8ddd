/* One client of a door for HTTP/2: a session, and the requests that are under way on it. Private to
 * src/http. */
#ifndef APPNET_HTTP_HTTP2_CONNECTION_H
#define APPNET_HTTP_HTTP2_CONNECTION_H

#include <sys/queue.h>

#include "appnet/base/rate_limit.h"
#include "appnet/http/exchange.h"
#include "body.h"
#include "channel.h"

struct event_base;
struct http2_connection;
struct http2_exchange;

TAILQ_HEAD(http2_list, http2_connection);

/* What the connections of one door share. */
struct http2_room {
    struct event_base *base;
    struct buffers *buffers;
    struct http_handler handler;
    struct http2_list idle, busy; /* the longest in its state first */
    unsigned count;               /* of both */
    /* Of requests that are not answered yet: strangers do not use up what instances need. */
    struct allowance strangers, instances;
    size_t untaken; /* of answers to strangers */
    struct rate_limit log_limit;
};

struct http2_connection {
    TAILQ_ENTRY(http2_connection) link;
    struct http2_room *room;
    struct channel *channel; /* NULL: it has ended */
    struct event *timer;     /* while it is idle */
    bool is_idle;            /* without a request, and in that list */
    struct rate_limit resets;
    LIST_HEAD(, http2_exchange) exchanges;
    size_t untaken;        /* of their answers */
    struct spiffe_id peer; /* all empty: a stranger */
    char address[ADDRESS_TEXT_SIZE];
};

/* Takes it over. */
void http2_connection_new(struct http2_room *room, struct established *established);

/* With a word of farewell. The handlers of its requests hear of it. Not from within a call of a
 * handler's. */
void http2_connection_end(struct http2_connection *connection);

bool http2_connection_is_stranger(const struct http2_connection *connection);

/* For requests: the first one has come, or the last one has gone. */
void http2_connection_changed(struct http2_connection *connection);

/* For requests: so much more waits to be taken, or has been. */
void http2_connection_add_untaken(struct http2_connection *connection, size_t size);
void http2_connection_sub_untaken(struct http2_connection *connection, size_t size);

/* Says that it goes on no more, and why (RFC 9113, section 7); ends when that is said. */
void http2_connection_terminate(struct http2_connection *connection, uint32_t code);

#endif
