/* What a door does for the exchanges that came in by it. Private to src/http. */
#ifndef APPNET_HTTP_DOOR_H
#define APPNET_HTTP_DOOR_H

#include "appnet/http/exchange.h"

struct door {
    const char *(*header)(const struct http_exchange *exchange, const char *name);
    void (*set_header)(struct http_exchange *exchange, const char *name, const char *value);
    void (*answer)(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size);
    void (*begin)(struct http_exchange *exchange, unsigned status, const char *type);
    int (*write)(struct http_exchange *exchange, const void *data, size_t size);
    void (*end)(struct http_exchange *exchange);
};

/* Each door's own begins with this. */
struct http_exchange {
    const struct door *door;
    struct http_request request;
    void (*closed)(void *argument); /* NULL: nobody is told */
    void *argument;
};

/* Tells whoever wants to hear of it; the door frees the exchange next. */
void exchange_tell_closed(struct http_exchange *exchange);

#endif
