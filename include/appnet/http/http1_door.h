/* HTTP/1.1 without TLS (RFC 9112), for clients on the same machine. Connections are kept between
 * requests; what comes behind a request waits until that is answered. At HTTP_CONNECTIONS_MAX the
 * one that has been idle for the longest gives way to a newcomer, or else the one whose request has
 * been coming in for the longest; when all are being answered, newcomers wait in the kernel. */
#ifndef APPNET_HTTP_HTTP1_DOOR_H
#define APPNET_HTTP_HTTP1_DOOR_H

#include "appnet/base/error.h"
#include "appnet/http/exchange.h"

struct event_base;
struct http1_door;

/* Serves what comes in at the listening, non-blocking socket `fd`, which it takes over, also when
 * it fails. `handler` is copied. */
struct http1_door *http1_door_new(struct event_base *base, int fd,
                                  const struct http_handler *handler, struct error *err);

/* Those that are under way hear that they are closed. Not from within a handler. */
void http1_door_free(struct http1_door *door);

#endif
