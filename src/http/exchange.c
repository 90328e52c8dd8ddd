#include "door.h"

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

const char *http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    return exchange->door->header(exchange, name);
}

void http_exchange_set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    exchange->door->set_header(exchange, name, value);
}

void http_exchange_answer(struct http_exchange *exchange, unsigned status, const char *type,
                          const void *body, size_t size)
{
    exchange->closed = NULL;
    exchange->door->answer(exchange, status, type, body, size);
}

void http_exchange_begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    exchange->door->begin(exchange, status, type);
}

int http_exchange_write(struct http_exchange *exchange, const void *data, size_t size)
{
    return exchange->door->write(exchange, data, size);
}

void http_exchange_end(struct http_exchange *exchange)
{
    exchange->closed = NULL;
    exchange->door->end(exchange);
}

void http_exchange_on_closed(struct http_exchange *exchange, void (*closed)(void *argument),
                             void *argument)
{
    exchange->closed = closed;
    exchange->argument = argument;
}

void exchange_tell_closed(struct http_exchange *exchange)
{
    void (*closed)(void *argument) = exchange->closed;

    exchange->closed = NULL;
    if (closed) {
        closed(exchange->argument);
    }
}
