#include "appnet/registry/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/http/door.h"
#include "appnet/base/loop.h"

/* A listener, who keeps the ids and the size of what he hears. */
struct listener {
    struct http_exchange exchange; /* first: the one is a pointer to the other */
    char first_type[32], last_id[32];
    unsigned heard;
    size_t size;
    bool ended;
};

static void on_begin(struct http_exchange *exchange, unsigned status, const char *type)
{
    (void)exchange;
    assert_int_equal(status, 200);
    assert_string_equal(type, "text/event-stream");
}

static int on_write(struct http_exchange *exchange, const void *data, size_t size)
{
    struct listener *listener = (struct listener *)exchange;
    char type[32];

    assert_int_equal(sscanf(data, "id: %31s\nevent: %31s", listener->last_id, type), 2);
    if (listener->heard++ == 0) {
        memcpy(listener->first_type, type, sizeof type);
    }
    listener->size += size;
    return 0;
}

static void on_end(struct http_exchange *exchange)
{
    ((struct listener *)exchange)->ended = true;
}

static const struct door door = {.begin = on_begin, .write = on_write, .end = on_end};

struct bench {
    struct loop *loop;
    struct events *events;
    int64_t revision;
    struct listener listeners[8];
    unsigned count;
};

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    bench->loop = loop_new("test", NULL);
    bench->events = events_new(loop_base(bench->loop), &bench->revision);
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;

    events_free(bench->events);
    for (unsigned i = 0; i < bench->count; i++) {
        assert_true(bench->listeners[i].ended);
    }
    loop_free(bench->loop);
    free(bench);
    return 0;
}

static struct listener *listen_from(struct bench *bench, const char *last_id)
{
    struct listener *listener = &bench->listeners[bench->count++];

    listener->exchange.door = &door;
    assert_true(events_listen(bench->events, &listener->exchange, last_id, NULL, false));
    return listener;
}

static void publish(struct bench *bench, unsigned count, size_t size)
{
    char *text = malloc(size + 1);

    memset(text, 'x', size);
    text[size] = '\0';
    for (unsigned i = 0; i < count; i++) {
        events_publish(bench->events, "connection", json_pack("{s:s}", "id", text));
    }
    free(text);
}

static void assert_resumes(struct bench *bench, const char *id, unsigned heard)
{
    const struct listener *listener = listen_from(bench, id);

    assert_int_equal(listener->heard, heard);
    assert_string_equal(listener->first_type, "connection");
}

static void assert_begins_anew(struct bench *bench, const char *id)
{
    const struct listener *listener = listen_from(bench, id);

    assert_int_equal(listener->heard, 1);
    assert_string_equal(listener->first_type, "reset");
}

/* The id of the event so many before the last. */
static void id_before(const struct listener *listener, unsigned back, char out[32])
{
    unsigned number = 0;

    assert_int_equal(sscanf(listener->last_id, "%*8[0-9a-f]-%u", &number), 1);
    snprintf(out, 32, "%.8s-%u", listener->last_id, number - back);
}

static void small_ones_are_kept_by_number(void **state)
{
    struct bench *bench = *state;
    struct listener *all = listen_from(bench, NULL);
    char id[32];

    publish(bench, EVENTS_KEPT + 100, 10);
    assert_int_equal(all->heard, EVENTS_KEPT + 101);
    id_before(all, EVENTS_KEPT - 1, id);
    assert_resumes(bench, id, EVENTS_KEPT - 1);
    id_before(all, EVENTS_KEPT + 1, id);
    assert_begins_anew(bench, id);
    assert_begins_anew(bench, "00000000-1");
    id_before(all, 0, id);
    assert_int_equal(listen_from(bench, id)->heard, 0);
}

/* An instance of many replicas or interfaces makes large ones. What is kept of them must neither
 * fill the memory, nor be more than a listener who resumes can be given at once. */
static void large_ones_are_kept_by_size(void **state)
{
    struct bench *bench = *state;
    struct listener *all = listen_from(bench, NULL);
    struct listener *late;
    char id[32];

    publish(bench, 200, 100000);
    id_before(all, 10, id);
    assert_resumes(bench, id, 10);
    id_before(all, 100, id);
    assert_begins_anew(bench, id);
    publish(bench, 1000, 10);
    id_before(all, 1000, id);
    assert_resumes(bench, id, 1000);
    for (unsigned back = 1001; back < 1100; back++) {
        id_before(all, back, id);
        bench->listeners[7] = (struct listener){.exchange = {.door = &door}};
        late = &bench->listeners[7];
        assert_true(events_listen(bench->events, &late->exchange, id, NULL, false));
        assert_true(late->size < HTTP_BACKLOG_MAX);
        exchange_tell_closed(&late->exchange);
    }
    publish(bench, 1, HTTP_BACKLOG_MAX); /* the newest is kept whatever its size */
    id_before(all, 1, id);
    assert_resumes(bench, id, 1);
    publish(bench, 1, 10);
    id_before(all, 1, id);
    assert_resumes(bench, id, 1);
}

int main(void)
{
    const struct CMUnitTest events[] = {
        cmocka_unit_test_setup_teardown(small_ones_are_kept_by_number, begin, end),
        cmocka_unit_test_setup_teardown(large_ones_are_kept_by_size, begin, end),
    };

    return cmocka_run_group_tests(events, NULL, NULL);
}
