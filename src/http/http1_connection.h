/* One client of a door for HTTP/1.1: its requests one after another, and their answers. Private to
 * src/http. */
#ifndef APPNET_HTTP_HTTP1_CONNECTION_H
#define APPNET_HTTP_HTTP1_CONNECTION_H

#include <sys/queue.h>

#include "appnet/base/rate_limit.h"
#include "appnet/http/exchange.h"
#include "body.h"

struct event_base;
struct http1_connection;

TAILQ_HEAD(http1_list, http1_connection);

/* What the connections of one door share. */
struct http1_room {
    struct event_base *base;
    struct http_handler handler;
    /* Without a request; with one that is not whole; with an answer to come. The longest in its
     * state first. */
    struct http1_list idle, unfinished, busy;
    unsigned count;          /* of all */
    struct allowance bodies; /* of requests that are not answered yet */
    struct rate_limit log_limit;
    /* One is in another list now, or gone. */
    void (*changed)(struct http1_room *room);
};

/* Takes the connected, non-blocking socket over. */
void http1_connection_new(struct http1_room *room, int fd);

/* Its handler, if it has one, hears of it. Not from within a call of the handler's. */
void http1_connection_end(struct http1_connection *connection);

#endif
