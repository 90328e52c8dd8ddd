#include "http_support.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/memory.h"

#define CHUNK 65536

/* One exchange that is not answered at once. */
struct work {
    struct support_service *service;
    struct http_exchange *exchange;
    struct event *timer;
    void (*step)(struct work *work);
    unsigned done, wanted;
    unsigned slot; /* of one that is held */
};

char support_pattern(size_t place)
{
    return (char)('a' + (place + place / 26 + place / 8192) % 26);
}

static void work_free(struct work *work)
{
    atomic_fetch_sub(&work->service->open, 1);
    if (work->timer) {
        event_free(work->timer);
    }
    free(work);
}

static void on_closed(void *argument)
{
    struct work *work = argument;

    atomic_fetch_add(&work->service->closed, 1);
    work_free(work);
}

static void on_held_closed(void *argument)
{
    struct work *work = argument;

    work->service->held[work->slot] = NULL;
    on_closed(work);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct work *work = argument;

    (void)fd;
    (void)what;
    work->step(work);
}

static struct work *work_new(struct support_service *service, struct http_exchange *exchange,
                             void (*step)(struct work *work), unsigned milliseconds)
{
    const struct timeval period = {0, (suseconds_t)milliseconds * 1000};
    struct work *work = memory_zalloc(sizeof *work);

    work->service = service;
    work->exchange = exchange;
    work->step = step;
    atomic_fetch_add(&service->open, 1);
    http_exchange_on_closed(exchange, on_closed, work);
    if (step) {
        work->timer = event_new(loop_base(service->loop), -1, EV_PERSIST, on_timer, work);
        event_add(work->timer, &period);
    }
    return work;
}

/* ---- what the paths do ---- */

static void echo(struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    const char *test = http_exchange_header(exchange, "X-TEST");
    char *text =
        memory_printf("%s %s?%s %s", request->method, request->path, request->query, request->body);

    if (test) {
        http_exchange_set_header(exchange, "X-Test", test);
    }
    http_exchange_answer(exchange, 200, "text/plain", text, strlen(text));
    free(text);
}

static void who(struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    char text[SPIFFE_TEXT_SIZE] = "nobody";

    if (request->peer) {
        spiffe_format(request->peer, text, sizeof text);
    }
    http_exchange_answer(exchange, 200, "text/plain", text, strlen(text));
}

static void cookie(struct http_exchange *exchange)
{
    const char *text = http_exchange_header(exchange, "Cookie");

    http_exchange_answer(exchange, 200, "text/plain", text ? text : "", text ? strlen(text) : 0);
}

static char *pattern_text(size_t size)
{
    char *text = memory_zalloc(size + 1);

    for (size_t i = 0; i < size; i++) {
        text[i] = support_pattern(i);
    }
    return text;
}

static void size(struct http_exchange *exchange, size_t count)
{
    char *text = pattern_text(count);

    http_exchange_answer(exchange, 200, "text/plain", text, count);
    free(text);
}

static void step_later(struct work *work)
{
    echo(work->exchange);
    work_free(work);
}

static void step_lines(struct work *work)
{
    char line[24];

    if (work->done == work->wanted) {
        http_exchange_end(work->exchange);
        work_free(work);
        return;
    }
    snprintf(line, sizeof line, "%u\n", work->done++);
    http_exchange_write(work->exchange, line, strlen(line));
}

static void step_endless(struct work *work)
{
    char line[24];

    snprintf(line, sizeof line, "%u\n", work->done++);
    http_exchange_write(work->exchange, line, strlen(line));
}

static void step_flood(struct work *work)
{
    static const char zeros[CHUNK];

    if (work->done == 0 && http_exchange_write(work->exchange, zeros, sizeof zeros) != 0) {
        atomic_fetch_add(&work->service->cut, 1);
        work->done = 1;
    }
}

static void hold(struct support_service *service, struct http_exchange *exchange)
{
    struct work *work = work_new(service, exchange, NULL, 0);

    assert(service->held_count < SUPPORT_HELD_MAX);
    work->slot = service->held_count++;
    service->held[work->slot] = work;
    http_exchange_on_closed(exchange, on_held_closed, work);
}

/* Those that are left hear of it. */
static void on_gossip_closed(void *argument)
{
    struct work *work = argument;
    struct support_service *service = work->service;

    on_held_closed(work);
    for (unsigned i = 0; i < service->held_count; i++) {
        if (service->held[i]) {
            http_exchange_write(service->held[i]->exchange, "gone\n", 5);
        }
    }
}

static void gossip(struct support_service *service, struct http_exchange *exchange)
{
    hold(service, exchange);
    http_exchange_on_closed(exchange, on_gossip_closed, service->held[service->held_count - 1]);
    http_exchange_begin(exchange, 200, "text/plain");
}

static void burst(struct support_service *service, struct http_exchange *exchange, size_t count)
{
    char *text = pattern_text(count);

    work_new(service, exchange, NULL, 0);
    http_exchange_begin(exchange, 200, "text/plain");
    if (http_exchange_write(exchange, text, count) != 0) {
        atomic_fetch_add(&service->cut, 1);
    }
    free(text);
}

static void overflow(struct support_service *service, struct http_exchange *exchange)
{
    static const char zeros[2000];

    burst(service, exchange, HTTP_BACKLOG_MAX - 1000);
    if (http_exchange_write(exchange, zeros, sizeof zeros) != 0) {
        atomic_fetch_add(&service->cut, 1);
    }
}

static void serve(void *argument, struct http_exchange *exchange)
{
    struct support_service *service = argument;
    const struct http_request *request = http_exchange_request(exchange);
    unsigned number = (unsigned)strtoul(request->query, NULL, 10);

    atomic_fetch_add(&service->requests, 1);
    if (strcmp(request->path, "/who") == 0) {
        who(exchange);
    } else if (strcmp(request->path, "/cookie") == 0) {
        cookie(exchange);
    } else if (strcmp(request->path, "/nothing") == 0) {
        http_exchange_answer(exchange, 204, NULL, NULL, 0);
    } else if (strcmp(request->path, "/size") == 0) {
        size(exchange, number);
    } else if (strcmp(request->path, "/later") == 0) {
        work_new(service, exchange, step_later, 20);
    } else if (strcmp(request->path, "/hold") == 0) {
        hold(service, exchange);
    } else if (strcmp(request->path, "/lines") == 0) {
        http_exchange_begin(exchange, 200, "text/plain");
        work_new(service, exchange, step_lines, 1)->wanted = number;
    } else if (strcmp(request->path, "/endless") == 0) {
        http_exchange_begin(exchange, 200, "text/plain");
        work_new(service, exchange, step_endless, 10);
    } else if (strcmp(request->path, "/flood") == 0) {
        http_exchange_begin(exchange, 200, "text/plain");
        work_new(service, exchange, step_flood, 1);
    } else if (strcmp(request->path, "/gossip") == 0) {
        gossip(service, exchange);
    } else if (strcmp(request->path, "/overflow") == 0) {
        overflow(service, exchange);
    } else if (strcmp(request->path, "/burst") == 0) {
        burst(service, exchange, number);
    } else {
        echo(exchange);
    }
}

struct http_handler support_service_handler(struct support_service *service)
{
    return (struct http_handler){.serve = serve, .argument = service};
}

void support_release(void *argument)
{
    struct support_service *service = argument;

    for (unsigned i = 0; i < service->held_count; i++) {
        struct work *work = service->held[i];
        if (work) {
            service->held[i] = NULL;
            echo(work->exchange);
            work_free(work);
        }
    }
    service->held_count = 0;
}
