/* HTTP/1.1 without TLS (RFC 9112), for clients on the same machine. */
#ifndef APPNET_HTTP_HTTP1_DOOR_H
#define APPNET_HTTP_HTTP1_DOOR_H

#include "appnet/base/error.h"
#include "appnet/http/exchange.h"

struct event_base;
struct http1_door;

/* Serves what comes in at the listening socket `fd`, which it takes over, also when it fails. */
struct http1_door *http1_door_new(struct event_base *base, int fd,
                                  const struct http_handler *handler, struct error *err);

/* Those that are under way hear that they are closed. */
void http1_door_free(struct http1_door *door);

#endif
