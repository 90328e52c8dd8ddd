/* One HTTP request and its answer, whichever door it came in by. The handler answers within its
 * call or later, whole or bit by bit. */
#ifndef APPNET_HTTP_EXCHANGE_H
#define APPNET_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "appnet/identity/spiffe.h"

#define HTTP_BODY_MAX (1 << 20)     /* of a request; 413 is the answer to a longer one */
#define HTTP_BODIES_MAX (64 << 20)  /* of all that a door has not answered yet; 503 beyond */
#define HTTP_HEADERS_MAX 8192       /* of a request, its first line included; 431 beyond */
#define HTTP_BACKLOG_MAX (4 << 20)  /* of an answer that its reader does not take */
#define HTTP_UNTAKEN_MAX (64 << 20) /* of all answers to strangers; he who leaves most is cut */
#define HTTP_REQUEST_SECONDS 10     /* from its first byte to its last; 408 beyond */
#define HTTP_IDLE_SECONDS 60        /* without a request, and a connection is closed */
#define HTTP_STALL_SECONDS 20       /* a reader who takes nothing of his answer is cut */
#define HTTP_CONNECTIONS_MAX 1024   /* at a door; others wait outside */

struct http_exchange;

/* Good until its exchange is answered or closed. */
struct http_request {
    const char *method; /* a HEAD is shown as GET: the door leaves the answer's body out */
    const char *path;   /* as it came, with its percent signs; begins with a slash */
    const char *query;  /* empty if there is none */
    const char *body;   /* with a zero byte behind it */
    size_t body_size;
    const struct spiffe_id *peer; /* from a verified client certificate; NULL: there was none */
    const char *client;           /* its address, for logs */
    bool secure;                  /* it came over TLS */
};

struct http_handler {
    void (*serve)(void *argument, struct http_exchange *exchange);
    void *argument;
};

const struct http_request *http_exchange_request(const struct http_exchange *exchange);

/* A header field of the request, by its name in any case; NULL: there is none. */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name);

/* Adds a header field to the answer, before that begins. */
void http_exchange_set_header(struct http_exchange *exchange, const char *name, const char *value);

/* The whole answer. The exchange is over. `type` NULL: there is no body. */
void http_exchange_answer(struct http_exchange *exchange, unsigned status, const char *type,
                          const void *body, size_t size);

/* An answer that goes on: begin, write as often as there is something, end. A reader who leaves
 * more than HTTP_BACKLOG_MAX lying is cut: write then returns -1, and `closed` follows. */
void http_exchange_begin(struct http_exchange *exchange, unsigned status, const char *type);
int http_exchange_write(struct http_exchange *exchange, const void *data, size_t size);
void http_exchange_end(struct http_exchange *exchange);

/* `closed` is told when the exchange ends otherwise than by answer or end: the client went away, or
 * was cut, or the door is freed. The exchange is gone when it returns. Never from within a call
 * above. NULL: nobody is told. */
void http_exchange_on_closed(struct http_exchange *exchange, void (*closed)(void *argument),
                             void *argument);

/* "Not Found"; empty for a status that has no name (RFC 9110, section 15). */
const char *http_status_text(unsigned status);

#endif
