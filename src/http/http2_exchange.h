/* One request over HTTP/2 as it comes in, and its answer as it goes out. Private to src/http. */
#ifndef APPNET_HTTP_HTTP2_EXCHANGE_H
#define APPNET_HTTP_HTTP2_EXCHANGE_H

#include "http2_connection.h"

/* The head of a request begins. */
struct http2_exchange *http2_exchange_new(struct http2_connection *connection, int32_t id);

/* What has come of it: a field of its head, all of its head, some of its body, all of it. */
void http2_exchange_take_field(struct http2_exchange *exchange, const char *name,
                               size_t name_length, const char *value, size_t value_length);
void http2_exchange_take_head(struct http2_exchange *exchange);
void http2_exchange_take_data(struct http2_exchange *exchange, const void *data, size_t size);
void http2_exchange_take_end(struct http2_exchange *exchange);

/* Its stream is gone: tells the handler, if that has not answered, and frees. */
void http2_exchange_end(struct http2_exchange *exchange);

/* The first of a connection's, or NULL. */
struct http2_exchange *http2_exchange_first(const struct http2_connection *connection);

/* Is one of a connection's whole, and its answer not? Else it is the client who is waited for. */
bool http2_exchange_any_served(const struct http2_connection *connection);

#endif
