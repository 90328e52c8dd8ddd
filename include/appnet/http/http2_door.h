/* HTTP/2 over TLS (RFC 9113), for clients anywhere: sidecars, who show their certificates, and
 * strangers, such as people, who need none. Strangers do not keep sidecars out: of the memory for
 * bodies, half is for each; at HTTP_CONNECTIONS_MAX a stranger gives way to anybody while none of
 * his requests is being answered, and to a sidecar in any case. */
#ifndef APPNET_HTTP_HTTP2_DOOR_H
#define APPNET_HTTP_HTTP2_DOOR_H

#include "appnet/base/error.h"
#include "appnet/base/loop.h"
#include "appnet/http/exchange.h"
#include "appnet/tunnel/handshaker.h"

#define HTTP2_STREAMS_MAX 64 /* at once on one connection */

struct http2_door;

/* Serves what comes in at the listening socket `fd`, which it takes over, also when it fails. The
 * handshaker is the door's alone until http2_door_free, and has an identity. */
struct http2_door *http2_door_new(struct loop *loop, struct handshaker *handshaker, int fd,
                                  const struct http_handler *handler, struct error *err);

/* Those that are under way hear that they are closed. Frees the handshaker, too: sockets may be on
 * their way from its threads. Not from within a handler. */
void http2_door_free(struct http2_door *door);

#endif
