/* An HTTP/2 session (RFC 9113) over an authenticated socket, for requests of some kilobytes: the
 * tunnel's is the one for bulk. Belongs to one loop. Private to src/http. */
#ifndef APPNET_HTTP_CHANNEL_H
#define APPNET_HTTP_CHANNEL_H

#include <stdbool.h>

#include <nghttp2/nghttp2.h>

#include "appnet/base/error.h"
#include "appnet/tunnel/buffers.h"
#include "appnet/tunnel/handshaker.h"

struct event_base;
struct channel;

struct channel_handlers {
    /* The callbacks of the session that the owner needs, besides sending. */
    void (*configure)(nghttp2_session_callbacks *callbacks);
    /* The last word: the channel is gone when this returns. Never from within a call below. */
    void (*closed)(void *owner, const char *reason);
};

/* Takes `established` over, also when it fails (NULL). The callbacks get `owner`. */
struct channel *channel_new(struct event_base *base, struct established *established,
                            struct buffers *buffers, const struct channel_handlers *handlers,
                            void *owner, struct error *err);

nghttp2_session *channel_session(const struct channel *channel);
const struct established *channel_established(const struct channel *channel);

/* Something was submitted: it goes out in this turn of the loop. */
void channel_flush(struct channel *channel);

/* Is the socket full, so that nothing can be said? */
bool channel_is_blocked(const struct channel *channel);

/* Ends it from the next turn of the loop on; `reason` is a constant. */
void channel_close(struct channel *channel, const char *reason);

/* Ends it at once, without a word to its owner. */
void channel_free(struct channel *channel);

#endif
