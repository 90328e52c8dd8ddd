/* HTTP/2 over TLS (RFC 9113) to one server: requests with small bodies, whose answers are taken
 * whole, or line by line for as long as they go on. Belongs to one loop. */
#ifndef APPNET_HTTP_HTTP_CLIENT_H
#define APPNET_HTTP_HTTP_CLIENT_H

#include <stddef.h>

#include "appnet/base/error.h"
#include "appnet/base/loop.h"
#include "appnet/tunnel/handshaker.h"

#define HTTP_ANSWER_MAX (4 << 20) /* of a whole answer, and of a line */

struct http_client;
struct http_call;

struct http_call_handlers {
    /* A line of an answer with status 200, without its end. NULL: the answer is taken whole. */
    void (*line)(void *argument, const char *line, size_t length);
    /* The last word: the call is gone when this returns. With `status` 0 there was no (whole)
     * answer, and `why` tells the reason; otherwise `body` has a zero byte behind it, and is empty
     * if it was given by lines. */
    void (*done)(void *argument, unsigned status, const char *body, size_t size,
                 const struct error *why);
};

/* Dials with the first request, and again with the next one after a connection has ended; never by
 * itself. `handshaker` outlives it. */
struct http_client *http_client_new(struct loop *loop, struct handshaker *handshaker,
                                    const struct address *address,
                                    const struct tls_expected *expected);

/* Calls under way end without a word. Not from within their handlers. */
void http_client_free(struct http_client *client);

/* `body` (NULL: none) is JSON, and is copied. `seconds` bounds the whole call, 0: nothing does.
 * `handlers` are not called from within. */
struct http_call *http_client_request(struct http_client *client, const char *method,
                                      const char *path, const void *body, size_t size,
                                      unsigned seconds, const struct http_call_handlers *handlers,
                                      void *argument);

/* Ends it without a word. May be called from within `line`, not from within `done`. */
void http_call_cancel(struct http_call *call);

/* This side's address on the connection, without the port; false: there is none. */
bool http_client_local_host(const struct http_client *client, char *out, size_t size);

#endif
