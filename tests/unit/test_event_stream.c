#include "../../src/cli/event_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What has come, each as "type|data|id;", or "type|data|id@at;" if it says when. */
struct seen {
    char text[1000];
    int left; /* until no more is wanted */
};

static int take(void *argument, const struct server_event *event)
{
    struct seen *seen = argument;
    size_t used = strlen(seen->text);

    snprintf(seen->text + used, sizeof seen->text - used, "%s|%s|%s%s%s;", event->type, event->data,
             event->id, event->at[0] ? "@" : "", event->at);
    return --seen->left == 0 ? -1 : 0;
}

static void assert_seen(const char *input, const char *expected)
{
    size_t size = strlen(input);

    /* All at once, byte by byte, and in two pieces cut anywhere. */
    for (size_t cut = 0; cut <= size + 1; cut++) {
        struct seen seen = {.left = -1};
        struct event_stream *stream = event_stream_new(take, &seen);
        if (cut <= size) {
            assert_int_equal(event_stream_feed(stream, input, cut), 0);
            assert_int_equal(event_stream_feed(stream, input + cut, size - cut), 0);
        } else {
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(event_stream_feed(stream, input + i, 1), 0);
            }
        }
        assert_string_equal(seen.text, expected);
        event_stream_free(stream);
    }
}

static void takes_events_apart(void **state)
{
    (void)state;
    assert_seen("data: a\n\n", "message|a|;");
    assert_seen("event: x\nid: 1-2\ndata: {\"a\": 1}\n\n", "x|{\"a\": 1}|1-2;");
    assert_seen("event:x\ndata:a\n\ndata: b\n\n", "x|a|;message|b|;");
    assert_seen("id: 1\ndata: a\n\ndata: b\n\n", "message|a|1;message|b|1;");
    assert_seen("at: 2026\ndata: a\n\ndata: b\n\n", "message|a|@2026;message|b|;");
    assert_seen("data: a\ndata: b\ndata\ndata:  c\n\n", "message|a\nb\n\n c|;");
    assert_seen("event: x\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n", "x|a|;message|b|;message|c|;");
}

static void leaves_out_what_is_no_event(void **state)
{
    (void)state;
    assert_seen(": comment\n\n\n\nretry: 3\n\nevent: x\n\ndata: a\n\n", "message|a|;");
    assert_seen("datax: a\nother: b\n\n", "");
    assert_seen("data: not whole", "");
    assert_seen("data: not whole\n", "");
    assert_seen("data\n\n", "message||;");
    assert_seen("data:\n\n", "message||;");
}

/* Where the next connection goes on. */
static void keeps_the_id_of_the_last_whole_event(void **state)
{
    struct seen seen = {.left = -1};
    struct event_stream *stream = event_stream_new(take, &seen);
    static const char first[] = "id: 5\ndata: a\n\nid: 6\nevent: lost\ndata: lo";

    (void)state;
    assert_string_equal(event_stream_id(stream), "");
    event_stream_set_id(stream, "4");
    assert_string_equal(event_stream_id(stream), "4");
    assert_int_equal(event_stream_feed(stream, first, strlen(first)), 0);
    assert_string_equal(event_stream_id(stream), "5");
    event_stream_restart(stream);
    assert_int_equal(event_stream_feed(stream, "data: b\n\n", 9), 0);
    assert_string_equal(seen.text, "message|a|5;message|b|5;");
    event_stream_free(stream);
    event_stream_free(NULL);
}

static void ends_when_no_more_is_wanted(void **state)
{
    struct seen seen = {.left = 2};
    struct event_stream *stream = event_stream_new(take, &seen);
    static const char three[] = "data: a\n\ndata: b\n\ndata: c\n\n";

    (void)state;
    assert_int_equal(event_stream_feed(stream, three, strlen(three)), -1);
    assert_string_equal(seen.text, "message|a|;message|b|;");
    event_stream_free(stream);
}

static void nothing_grows_without_an_end(void **state)
{
    struct seen seen = {.left = -1};
    struct event_stream *stream = event_stream_new(take, &seen);
    static char piece[65536];
    char id[2 * EVENT_ID_SIZE];
    int rc = 0;
    int rounds = 0;

    (void)state;
    memset(id, 'x', sizeof id);
    memcpy(id, "id: ", 4);
    assert_int_equal(event_stream_feed(stream, id, sizeof id), 0);
    assert_int_equal(event_stream_feed(stream, "\ndata: a\n\n", 10), 0);
    assert_int_equal(strlen(event_stream_id(stream)), EVENT_ID_SIZE - 1);
    memset(piece, 'x', sizeof piece);
    while (rc == 0 && rounds++ < 100) {
        rc = event_stream_feed(stream, piece, sizeof piece);
    }
    assert_int_equal(rc, -1);
    event_stream_free(stream);
    /* Nor do many lines of one event. */
    stream = event_stream_new(take, &seen);
    memcpy(piece, "data: ", 6);
    piece[sizeof piece - 1] = '\n';
    for (rc = 0, rounds = 0; rc == 0 && rounds < 100; rounds++) {
        rc = event_stream_feed(stream, piece, sizeof piece);
    }
    assert_int_equal(rc, -1);
    event_stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest event_stream[] = {
        cmocka_unit_test(takes_events_apart),
        cmocka_unit_test(leaves_out_what_is_no_event),
        cmocka_unit_test(keeps_the_id_of_the_last_whole_event),
        cmocka_unit_test(ends_when_no_more_is_wanted),
        cmocka_unit_test(nothing_grows_without_an_end),
    };

    return cmocka_run_group_tests(event_stream, NULL, NULL);
}
