#include "appnet/tunnel/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/tunnel/session.h"
#include "support.h"
#include "tunnel_support.h"

#define MEBIBYTE ((uint64_t)1 << 20)

struct hearing {
    const struct endpoint *endpoint;
    uint64_t bytes;
};

static bool has_heard(void *argument)
{
    const struct hearing *hearing = argument;

    return hearing->endpoint->heard >= hearing->bytes;
}

static void turn_until_heard(struct world *world, const struct endpoint *endpoint, uint64_t bytes)
{
    struct hearing hearing = {endpoint, bytes};

    world_turn_until(world, has_heard, &hearing);
}

/* What some clients have said and their servers have not heard. */
struct owing {
    const struct endpoint *clients, *servers;
    int count;
    uint64_t bytes;
};

static uint64_t owed(const struct owing *owing)
{
    uint64_t bytes = 0;

    for (int i = 0; i < owing->count; i++)
        bytes += owing->clients[i].said - owing->servers[i].heard;
    return bytes;
}

static bool is_owed(void *argument)
{
    const struct owing *owing = argument;

    return owed(owing) >= owing->bytes;
}

/* Until that much is owed, and then as long as any more might come. */
static void turn_until_owed(struct world *world, struct owing *owing)
{
    world_turn_until(world, is_owed, owing);
    for (int i = 0; i < 10; i++)
        world_turn_quiet(world);
}

static bool is_finished(void *argument)
{
    const struct endpoint *endpoint = argument;

    return endpoint->finished;
}

/* ---- bytes ---- */

static void carries_bytes_both_ways(void **state)
{
    static const uint64_t sizes[][2] = {
        {0, 0},
        {1, 0},
        {0, 1},
        {1, 1},
        {100, 200},
        {16373, 16374},
        {16375, 16384},
        {65535, 65536},
        {65537, 3},
        {200000, 100000},
        {7, 5000000},
        {5000000, 7},
        {9000000, 8000000},
    };
    struct world world;

    (void)state;
    world_make(&world, NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct endpoint client = {.to_say = sizes[i][0], .then = THEN_END, .takes = FOREVER};
        struct endpoint *server = &world.served[0];

        world.pattern.to_say = sizes[i][1];
        world.pattern.then = THEN_END;
        world_connect(&world, &client);
        world_turn_until_closed(&world, &client, server);
        assert_int_equal(client.status, 200);
        assert_int_equal(client.heard, sizes[i][1]);
        assert_int_equal(server->heard, sizes[i][0]);
        assert_false(client.wrong);
        assert_false(server->wrong);
        assert_true(client.finished);
        assert_true(server->finished);
        assert_int_equal(client.end, STREAM_FINISHED);
        assert_int_equal(server->end, STREAM_FINISHED);
        assert_int_equal(client.calls, 0);
    }
    world_free(&world);
}

static void carries_what_is_said_by_and_by(void **state)
{
    struct world world;
    struct endpoint client = {.takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    world_turn_quiet(&world);
    for (uint64_t i = 1; i <= 50; i++) {
        endpoint_say(&client, i, THEN_WAIT);
        turn_until_heard(&world, server, client.to_say);
        endpoint_say(server, 2 * i, THEN_WAIT);
        turn_until_heard(&world, &client, server->to_say);
    }
    assert_false(client.finished);
    assert_false(server->finished);
    endpoint_say(&client, 0, THEN_END);
    endpoint_say(server, 0, THEN_END);
    world_turn_until_closed(&world, &client, server);
    assert_int_equal(client.end, STREAM_FINISHED);
    world_free(&world);
}

static void keeps_many_streams_apart(void **state)
{
    enum { STREAMS = WORLD_STREAMS };
    struct world world;
    struct endpoint clients[STREAMS];

    (void)state;
    memset(clients, 0, sizeof(clients));
    world_make(&world, NULL);
    world.pattern.to_say = 150000;
    world.pattern.then = THEN_END;
    for (uint64_t i = 0; i < STREAMS; i++) {
        clients[i].to_say = 1000 * i * i;
        clients[i].then = THEN_END;
        clients[i].takes = FOREVER;
        world_connect(&world, &clients[i]);
    }
    for (uint64_t i = 0; i < STREAMS; i++) {
        world_turn_until(&world, endpoint_is_closed, &clients[i]);
        assert_int_equal(clients[i].end, STREAM_FINISHED);
        assert_int_equal(clients[i].heard, 150000);
        assert_false(clients[i].wrong);
    }
    world_turn_quiet(&world);
    for (uint64_t i = 0; i < STREAMS; i++) {
        assert_true(world.served[i].closed);
        assert_int_equal(world.served[i].heard, 1000 * i * i); /* in the order of their coming */
    }
    world_free(&world);
}

/* ---- ends ---- */

static void half_closes_whichever_side_is_first(void **state)
{
    for (int first = 0; first < 2; first++) {
        struct world world;
        struct endpoint client = {.to_say = 1000, .takes = FOREVER};
        struct endpoint *sides[2] = {&client, &world.served[0]};
        struct endpoint *early = sides[first];
        struct endpoint *late = sides[1 - first];

        (void)state;
        world_make(&world, NULL);
        world.pattern.to_say = 1000;
        world_connect(&world, &client);
        turn_until_heard(&world, &client, 1000);
        endpoint_say(early, 500, THEN_END);
        world_turn_until(&world, is_finished, late);
        world_turn_quiet(&world);
        assert_int_equal(late->heard, 1500);
        assert_false(early->finished);
        assert_false(early->closed);
        assert_false(late->closed);
        for (int i = 0; i < 20; i++) {
            uint64_t before = early->heard;

            endpoint_say(late, 150000, THEN_WAIT);
            turn_until_heard(&world, early, before + 150000);
        }
        endpoint_say(late, 0, THEN_END);
        world_turn_until_closed(&world, early, late);
        assert_int_equal(early->end, STREAM_FINISHED);
        assert_int_equal(late->end, STREAM_FINISHED);
        assert_false(early->wrong);
        world_free(&world);
    }
}

static void passes_resets_on(void **state)
{
    for (int resetter = 0; resetter < 2; resetter++) {
        for (int how = 0; how < 2; how++) {
            struct world world;
            struct endpoint client = {.to_say = 1000, .takes = FOREVER};
            struct endpoint *sides[2] = {&client, &world.served[0]};

            (void)state;
            world_make(&world, NULL);
            world.pattern.to_say = 1000;
            world_connect(&world, &client);
            turn_until_heard(&world, &client, 1000);
            if (how == 0) {
                endpoint_say(sides[resetter], 0, THEN_RESET);
            } else {
                stream_cancel(sides[resetter]->stream);
                if (sides[resetter]->stream)
                    stream_cancel(sides[resetter]->stream); /* once is enough */
            }
            world_turn_until_closed(&world, &client, &world.served[0]);
            assert_int_equal(sides[resetter]->end, STREAM_CANCELLED);
            assert_int_equal(sides[1 - resetter]->end, STREAM_PEER_RESET);
            assert_false(client.finished);
            assert_int_equal(client.calls, 0);
            world_free(&world);
        }
    }
}

static void passes_a_reset_on_after_a_half_close(void **state)
{
    for (int resetter = 0; resetter < 2; resetter++) {
        struct world world;
        struct endpoint client = {.to_say = 1000, .takes = FOREVER};
        struct endpoint *sides[2] = {&client, &world.served[0]};

        (void)state;
        world_make(&world, NULL);
        world_connect(&world, &client);
        turn_until_heard(&world, &world.served[0], 1000);
        endpoint_say(sides[1 - resetter], 0, THEN_END);
        world_turn_until(&world, is_finished, sides[resetter]);
        endpoint_say(sides[resetter], 100, THEN_RESET);
        world_turn_until_closed(&world, &client, &world.served[0]);
        assert_int_equal(sides[resetter]->end, STREAM_CANCELLED);
        assert_int_equal(sides[1 - resetter]->end, STREAM_PEER_RESET);
        world_free(&world);
    }
}

/* An application that goes away before the target has seen the request. */
static void forgets_a_stream_reset_at_once(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 100, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    stream_cancel(client.stream);
    world_turn_until(&world, endpoint_is_closed, &client);
    world_turn_quiet(&world);
    assert_int_equal(client.end, STREAM_CANCELLED);
    assert_int_equal(client.heard, 0);
    assert_int_equal(tunnel_streams(world.sides[0].tunnel), 0);
    assert_int_equal(tunnel_streams(world.sides[1].tunnel), 0);
    world_free(&world);
}

/* ---- before the answer ---- */

static void sends_early_data(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 300000, .then = THEN_END, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_LATER;
    world.pattern.takes = 0; /* the application has not accepted yet */
    world_connect(&world, &client);
    world_turn_quiet(&world);
    assert_int_equal(world.requests, 1);
    assert_false(client.answered);
    assert_int_equal(client.said, STREAM_WINDOW_MIN); /* more than that nobody has agreed to hold */
    stream_accept(server->stream);
    endpoint_take(server, FOREVER);
    endpoint_say(server, 10, THEN_END);
    world_turn_until_closed(&world, &client, server);
    assert_int_equal(client.status, 200);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(server->heard, 300000);
    world_free(&world);
}

static void drops_early_data_of_a_refused_stream(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 300000, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_LATER;
    world.pattern.takes = 0;
    world_connect(&world, &client);
    world_turn_quiet(&world);
    stream_reply(world.served[0].stream, 503, "target-refused");
    world_turn_until_closed(&world, &client, &world.served[0]);
    assert_int_equal(client.status, 503);
    assert_string_equal(client.reason, "target-refused");
    assert_int_equal(client.end, STREAM_REFUSED);
    assert_int_equal(world.served[0].heard, 0);
    world_free(&world);
}

static void lets_an_unanswered_stream_be_reset(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 100, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_LATER;
    world_connect(&world, &client);
    world_turn_quiet(&world);
    stream_cancel(client.stream);
    world_turn_until_closed(&world, &client, &world.served[0]);
    assert_int_equal(world.served[0].end, STREAM_PEER_RESET);
    assert_false(client.answered);
    world_free(&world);
}

static void lets_a_half_closed_stream_be_accepted(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 100, .then = THEN_END, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_LATER;
    world_connect(&world, &client);
    world_turn_until(&world, is_finished, server);
    stream_accept(server->stream);
    endpoint_say(server, 5000, THEN_END);
    world_turn_until_closed(&world, &client, server);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(client.heard, 5000);
    world_free(&world);
}

/* ---- slow readers ---- */

static void holds_a_window_for_a_slow_reader_and_no_more(void **state)
{
    struct world world;
    struct endpoint slow = {.to_say = 10 * MEBIBYTE, .then = THEN_END, .takes = FOREVER};
    struct endpoint quick = {.to_say = 24 * MEBIBYTE, .then = THEN_END, .takes = FOREVER};
    struct endpoint *servers = world.served;

    (void)state;
    world_make(&world, NULL);
    world.pattern.takes = 0;
    world.pattern.then = THEN_END;
    world_connect(&world, &slow);
    world_turn_quiet(&world);
    assert_int_equal(slow.said, STREAM_WINDOW_MIN);
    world.pattern.takes = FOREVER;
    world_connect(&world, &quick);
    world_turn_until_closed(&world, &quick, &servers[1]);
    assert_int_equal(servers[1].heard, 24 * MEBIBYTE);
    assert_int_equal(slow.said, STREAM_WINDOW_MIN);
    assert_int_equal(servers[0].heard, 0);
    /* A little at a time goes on, and never more is under way than the window. */
    for (int i = 1; i <= 50; i++) {
        endpoint_take(&servers[0], 3000);
        world_turn_quiet(&world);
        assert_int_equal(servers[0].heard, i * 3000);
        assert_in_range(slow.said, servers[0].heard, servers[0].heard + STREAM_WINDOW_MIN);
    }
    endpoint_take(&servers[0], FOREVER);
    world_turn_until_closed(&world, &slow, &servers[0]);
    assert_int_equal(servers[0].heard, 10 * MEBIBYTE);
    assert_int_equal(servers[0].end, STREAM_FINISHED);
    assert_false(servers[0].wrong);
    world_free(&world);
}

static void opens_its_window_for_a_quick_reader(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 64 * MEBIBYTE, .takes = FOREVER};
    struct endpoint *server = &world.served[0];
    struct owing owing = {&client, server, 1, STREAM_WINDOW_MAX / 2};

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    turn_until_heard(&world, server, 32 * MEBIBYTE);
    server->takes = 0;
    turn_until_owed(&world, &owing);
    assert_in_range(owed(&owing), STREAM_WINDOW_MAX / 2, STREAM_WINDOW_MAX);
    endpoint_take(server, FOREVER);
    turn_until_heard(&world, server, 64 * MEBIBYTE);
    assert_false(server->wrong);
    world_free(&world);
}

static void opens_windows_to_a_bound_over_all_streams(void **state)
{
    enum { STREAMS = 24 };
    struct world world;
    struct endpoint clients[STREAMS];
    struct owing owing = {clients, world.served, STREAMS, 24 * MEBIBYTE};

    (void)state;
    memset(clients, 0, sizeof(clients));
    world_make(&world, NULL);
    for (int i = 0; i < STREAMS; i++) {
        clients[i].to_say = 1000 * MEBIBYTE;
        clients[i].takes = FOREVER;
        world_connect(&world, &clients[i]);
    }
    for (int i = 0; i < STREAMS; i++)
        turn_until_heard(&world, &world.served[i], 9 * MEBIBYTE);
    for (int i = 0; i < STREAMS; i++)
        world.served[i].takes = 0;
    turn_until_owed(&world, &owing);
    assert_in_range(owed(&owing), 24 * MEBIBYTE, TUNNEL_GROWTH_MAX + STREAMS * STREAM_WINDOW_MIN);
    assert_int_equal(world.sides[1].tunnel->grown <= TUNNEL_GROWTH_MAX, 1);
    for (int i = 0; i < STREAMS; i++)
        stream_cancel(clients[i].stream);
    for (int i = 0; i < STREAMS; i++)
        world_turn_until_closed(&world, &clients[i], &world.served[i]);
    assert_int_equal(world.sides[1].tunnel->grown, 0);
    world_free(&world);
}

/* A stream that has carried 2 GiB is one like any other. */
static void counts_without_end(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = MEBIBYTE, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    turn_until_heard(&world, server, MEBIBYTE);
    server->stream->window = STREAM_WINDOW_MAX;
    server->stream->since_growth = INT32_MAX - 1000;
    endpoint_say(&client, MEBIBYTE, THEN_WAIT);
    turn_until_heard(&world, server, 2 * MEBIBYTE);
    server->stream->window = STREAM_WINDOW_MIN;
    world_free(&world);
}

/* ---- held bytes at the end ---- */

static void gives_out_what_is_held_after_both_have_ended(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 50000, .then = THEN_END, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world.pattern.takes = 1000;
    world.pattern.then = THEN_END;
    world_connect(&world, &client);
    world_turn_until(&world, endpoint_is_closed, &client);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_false(server->closed);
    assert_false(server->finished);
    endpoint_take(server, 20000);
    assert_int_equal(server->heard, 21000);
    assert_false(server->closed);
    endpoint_take(server, FOREVER); /* closed may come from within */
    assert_true(server->closed);
    assert_true(server->finished);
    assert_int_equal(server->heard, 50000);
    assert_int_equal(server->end, STREAM_FINISHED);
    world_free(&world);
}

static void gives_out_what_is_held_though_the_tunnel_is_lost(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 50000, .then = THEN_END, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world.pattern.takes = 1000;
    world.pattern.then = THEN_END;
    world_connect(&world, &client);
    world_turn_until(&world, endpoint_is_closed, &client);
    for (int side = 0; side < 2; side++) {
        tunnel_free(world.sides[side].tunnel);
        world.sides[side].tunnel = NULL;
    }
    assert_false(server->closed);
    assert_null(stream_tunnel(server->stream));
    endpoint_say(server, 0, THEN_END); /* nothing to pull for any more */
    endpoint_take(server, 20000);
    assert_int_equal(server->heard, 21000);
    endpoint_take(server, FOREVER);
    assert_true(server->closed);
    assert_true(server->finished);
    assert_int_equal(server->heard, 50000);
    assert_int_equal(server->end, STREAM_FINISHED);
    world_free(&world);
}

static void can_be_cancelled_while_bytes_are_held(void **state)
{
    for (int lost = 0; lost < 2; lost++) {
        struct world world;
        struct endpoint client = {.to_say = 50000, .then = THEN_END, .takes = FOREVER};
        struct endpoint *server = &world.served[0];

        (void)state;
        world_make(&world, NULL);
        world.pattern.takes = 1000;
        world.pattern.then = THEN_END;
        world_connect(&world, &client);
        world_turn_until(&world, endpoint_is_closed, &client);
        if (lost) {
            tunnel_free(world.sides[1].tunnel);
            world.sides[1].tunnel = NULL;
        }
        stream_cancel(server->stream);
        assert_true(server->closed);
        assert_int_equal(server->end, STREAM_CANCELLED);
        assert_false(server->finished);
        world_free(&world);
    }
}

/* An application's socket that breaks when it is written to. */
static size_t break_when_pushed(void *argument, const struct iovec *parts, unsigned count,
                                size_t size)
{
    struct endpoint *endpoint = argument;

    (void)parts;
    (void)count;
    stream_cancel(endpoint->stream);
    return size;
}

static void can_be_cancelled_while_it_pushes(void **state)
{
    /* with the first bytes; while held bytes are handed out; and when the session is done with it
     */
    for (int when = 0; when < 3; when++) {
        struct stream_handlers fragile = endpoint_handlers;
        struct world world;
        struct endpoint client = {.to_say = 50000, .takes = FOREVER};
        struct endpoint *server = &world.served[0];

        (void)state;
        fragile.push = break_when_pushed;
        world_make(&world, NULL);
        world.pattern.takes = 0;
        world.pattern.then = when == 2 ? THEN_END : THEN_WAIT;
        client.then = when == 2 ? THEN_END : THEN_WAIT;
        world.welcome = WELCOME_LATER;
        world_connect(&world, &client);
        if (when > 0)
            world_turn_quiet(&world);
        else
            client.to_say = 0;
        if (!server->stream)
            world_turn_quiet(&world);
        stream_accept(server->stream);
        if (when == 2)
            world_turn_until(&world, endpoint_is_closed, &client);
        stream_bind(server->stream, &fragile, server);
        if (when == 0)
            endpoint_say(&client, 50000, THEN_WAIT);
        else
            stream_push_ready(server->stream);
        world_turn_until_closed(&world, &client, server);
        assert_int_equal(server->end, STREAM_CANCELLED);
        assert_int_equal(client.end, when == 2 ? STREAM_FINISHED : STREAM_PEER_RESET);
        world_free(&world);
    }
}

static void loses_a_stream_under_way_with_its_tunnel(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 50000, .then = THEN_END, .takes = FOREVER};
    struct endpoint *server = &world.served[0];

    (void)state;
    world_make(&world, NULL);
    world.pattern.takes = 1000;
    world_connect(&world, &client);
    world_turn_quiet(&world);
    assert_false(client.closed); /* the server has not ended its side */
    tunnel_free(world.sides[1].tunnel);
    world.sides[1].tunnel = NULL;
    assert_true(server->closed);
    assert_int_equal(server->end, STREAM_TUNNEL_LOST);
    assert_false(server->finished); /* cut off, not ended */
    world_turn_until(&world, endpoint_is_closed, &client);
    assert_int_equal(client.end, STREAM_TUNNEL_LOST);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest stream[] = {
        cmocka_unit_test(carries_bytes_both_ways),
        cmocka_unit_test(carries_what_is_said_by_and_by),
        cmocka_unit_test(keeps_many_streams_apart),
        cmocka_unit_test(half_closes_whichever_side_is_first),
        cmocka_unit_test(passes_resets_on),
        cmocka_unit_test(passes_a_reset_on_after_a_half_close),
        cmocka_unit_test(forgets_a_stream_reset_at_once),
        cmocka_unit_test(sends_early_data),
        cmocka_unit_test(drops_early_data_of_a_refused_stream),
        cmocka_unit_test(lets_an_unanswered_stream_be_reset),
        cmocka_unit_test(lets_a_half_closed_stream_be_accepted),
        cmocka_unit_test(holds_a_window_for_a_slow_reader_and_no_more),
        cmocka_unit_test(opens_its_window_for_a_quick_reader),
        cmocka_unit_test(opens_windows_to_a_bound_over_all_streams),
        cmocka_unit_test(counts_without_end),
        cmocka_unit_test(gives_out_what_is_held_after_both_have_ended),
        cmocka_unit_test(gives_out_what_is_held_though_the_tunnel_is_lost),
        cmocka_unit_test(can_be_cancelled_while_bytes_are_held),
        cmocka_unit_test(can_be_cancelled_while_it_pushes),
        cmocka_unit_test(loses_a_stream_under_way_with_its_tunnel),
    };

    return cmocka_run_group_tests(stream, support_enter_folder, support_leave_folder);
}
