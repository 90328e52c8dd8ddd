#include "appnet/tunnel/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "../../src/tunnel/session.h"
#include "appnet/base/loop.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

static bool is_closed(void *argument)
{
    const struct world_side *side = argument;

    return side->closed > 0;
}

static bool is_draining(void *argument)
{
    const struct world_side *side = argument;

    return side->draining;
}

static void turn_until_both_are_closed(struct world *world)
{
    world_turn_until(world, is_closed, &world->sides[0]);
    world_turn_until(world, is_closed, &world->sides[1]);
}

/* ---- a tunnel as such ---- */

static void is_ready_when_both_have_spoken(void **state)
{
    struct world world;
    struct tunnel_info info[2];

    (void)state;
    world_make(&world, NULL);
    assert_true(tunnel_usable(world.sides[0].tunnel));
    for (int i = 0; i < 2; i++) {
        tunnel_describe(world.sides[i].tunnel, &info[i]);
        assert_int_equal(info[i].id, i + 1);
        assert_int_equal(info[i].is_client, i == 0);
        assert_false(info[i].draining);
        assert_string_equal(info[i].peer, i == 0 ? "db" : "web");
        assert_string_equal(info[i].engine, record_engine_best()->name);
        assert_int_equal(info[i].streams, 0);
        assert_memory_equal(info[i].address, "127.0.0.1:", 10);
        assert_memory_equal(info[i].version, "TLSv1.", 6);
        assert_true(strlen(info[i].cipher) > 10);
    }
    assert_true(info[0].sent > 0);
    assert_int_equal(info[0].sent, info[1].received);
    assert_int_equal(info[1].sent, info[0].received);
    world_free(&world);
}

static void is_not_usable_before_its_peer_has_spoken(void **state)
{
    static const struct tunnel_handlers none = {NULL, NULL, NULL, NULL};
    struct stream_request request = world_request();
    struct endpoint endpoint = {.takes = 0};
    struct event_base *base = support_base();
    struct buffers *buffers = buffers_new();
    struct established *ends[2];
    struct tunnel *tunnel;

    (void)state;
    support_established(ends, NULL);
    tunnel = tunnel_new(base, ends[0], 1, buffers, &none, NULL, NULL);
    assert_non_null(tunnel);
    support_turn_quiet(base);
    assert_false(tunnel_usable(tunnel));
    assert_null(tunnel_connect(tunnel, &request, &endpoint_handlers, &endpoint));
    tunnel_free(tunnel);
    tunnel_free(NULL);
    established_free(ends[1]);
    established_free(NULL);
    buffers_free(buffers);
    event_base_free(base);
}

static void works_with_every_engine(void **state)
{
    (void)state;
    for (const struct record_engine *const *at = record_engines; *at; at++) {
        struct world world;
        struct endpoint client = {.to_say = 300000, .then = THEN_END, .takes = FOREVER};
        struct tunnel_info info;

        if (!(*at)->usable(NULL)) {
            print_message("skipped: the engine %s does not work here\n", (*at)->name);
            continue;
        }
        world_make(&world, *at);
        tunnel_describe(world.sides[0].tunnel, &info);
        assert_string_equal(info.engine, (*at)->name);
        world.pattern.to_say = 200000;
        world.pattern.then = THEN_END;
        world_connect(&world, &client);
        world_turn_until_closed(&world, &client, &world.served[0]);
        assert_int_equal(client.end, STREAM_FINISHED);
        assert_int_equal(client.heard, 200000);
        assert_int_equal(world.served[0].heard, 300000);
        tunnel_close(world.sides[0].tunnel, "enough");
        turn_until_both_are_closed(&world);
        assert_string_equal(world.sides[1].reason, "the peer closed the tunnel");
        world_free(&world);
    }
}

/* ---- requests ---- */

static void hands_the_request_to_its_owner(void **state)
{
    struct world world;
    struct endpoint client = {.takes = FOREVER};
    struct stream_request sent = world_request();

    (void)state;
    world_make(&world, NULL);
    for (int probe = 0; probe < 2; probe++) {
        sent.probe = probe;
        world.welcome = probe ? WELCOME_LATER : WELCOME_ACCEPT;
        client.stream = tunnel_connect(world.sides[0].tunnel, &sent, &endpoint_handlers, &client);
        assert_non_null(client.stream);
        world_turn_quiet(&world);
        assert_int_equal(world.requests, probe + 1);
        assert_true(world.understood);
        assert_int_equal(world.request.probe, probe);
        assert_string_equal(world.request.inbound, "sql");
        assert_string_equal(world.request.instance, "db");
        assert_string_equal(world.request.trust_domain, SUPPORT_DOMAIN);
        assert_int_equal(world.request.port, 3306);
        assert_string_equal(world.request.outbound, "plug");
        stream_cancel(client.stream);
        world_turn_until(&world, endpoint_is_closed, &client);
        world_turn_quiet(&world);
        memset(&client, 0, sizeof(client));
    }
    world_free(&world);
}

static void says_when_a_request_is_not_understood(void **state)
{
    struct world world;

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_REFUSE;
    world.refuse_status = 400;
    world.refuse_reason = "bad-request";
    for (int mistake = 0; mistake < 4; mistake++) {
        struct stream_request request = world_request();
        struct endpoint client = {.takes = FOREVER};

        snprintf(mistake == 0 ? request.inbound
                              : (mistake == 1 ? request.instance : request.outbound),
                 NAME_SIZE, "%s", mistake == 3 ? "" : "Not_a_Name");
        client.stream =
            tunnel_connect(world.sides[0].tunnel, &request, &endpoint_handlers, &client);
        assert_non_null(client.stream);
        world_turn_until(&world, endpoint_is_closed, &client);
        assert_int_equal(world.requests, mistake + 1);
        assert_false(world.understood);
        assert_int_equal(client.status, 400);
        assert_string_equal(client.reason, "bad-request");
    }
    world_free(&world);
}

static void passes_refusals_on(void **state)
{
    static const struct {
        unsigned status;
        const char *reason;
    } refusals[] = {{403, "not-authorised"},
                    {404, "interface-withdrawn"},
                    {503, "target-refused"},
                    {500, NULL}};
    struct world world;

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_REFUSE;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct endpoint client = {.takes = FOREVER};

        world.refuse_status = refusals[i].status;
        world.refuse_reason = refusals[i].reason;
        world_connect(&world, &client);
        world_turn_until_closed(&world, &client, &world.served[0]);
        assert_true(client.answered);
        assert_int_equal(client.status, refusals[i].status);
        assert_string_equal(client.reason, refusals[i].reason ? refusals[i].reason : "");
        assert_int_equal(client.end, STREAM_REFUSED);
        assert_int_equal(client.calls, 0);
        assert_int_equal(world.served[0].end, STREAM_REFUSED);
        assert_int_equal(tunnel_streams(world.sides[0].tunnel), 0);
        assert_int_equal(tunnel_streams(world.sides[1].tunnel), 0);
    }
    world_free(&world);
}

/* The relay that is bound only once it is accepted. */
static void refuses_without_anybody_bound(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 100000, .then = THEN_END, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_REFUSE;
    world.refuse_status = 403;
    world.refuse_reason = "unbound";
    world_connect(&world, &client);
    world_turn_until(&world, endpoint_is_closed, &client);
    assert_int_equal(client.status, 403);
    world_turn_quiet(&world);
    assert_int_equal(tunnel_streams(world.sides[1].tunnel), 0);
    world_free(&world);
}

static void answers_for_an_owner_who_does_not(void **state)
{
    struct world world;
    struct endpoint client = {.takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_IGNORE;
    world_connect(&world, &client);
    world_turn_until(&world, endpoint_is_closed, &client);
    assert_int_equal(client.status, 500);
    assert_int_equal(client.end, STREAM_REFUSED);
    world_free(&world);
}

static void answers_probes(void **state)
{
    static const unsigned statuses[] = {204, 403, 503};
    struct world world;

    (void)state;
    world_make(&world, NULL);
    world.welcome = WELCOME_REFUSE;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct endpoint client = {.takes = FOREVER};
        struct stream_request request = world_request();

        request.probe = true;
        world.refuse_status = statuses[i];
        world.refuse_reason = statuses[i] == 204 ? NULL : "some-reason";
        client.stream =
            tunnel_connect(world.sides[0].tunnel, &request, &endpoint_handlers, &client);
        assert_non_null(client.stream);
        world_turn_until_closed(&world, &client, &world.served[0]);
        assert_int_equal(client.status, statuses[i]);
        assert_string_equal(client.reason, statuses[i] == 204 ? "" : "some-reason");
        assert_int_equal(client.end, statuses[i] == 204 ? STREAM_FINISHED : STREAM_REFUSED);
    }
    world_free(&world);
}

/* ---- draining ---- */

/* The stream under way goes on in both directions, new ones are not possible, and with its end the
 * tunnels end. */
static void drain_with_a_stream(int drainer)
{
    struct world world;
    struct stream_request request = world_request();
    struct endpoint client = {.to_say = 1000, .takes = FOREVER};
    struct endpoint late = {.takes = FOREVER};

    world_make(&world, NULL);
    world.pattern.to_say = 1000;
    world_connect(&world, &client);
    world_turn_quiet(&world);
    tunnel_drain(world.sides[drainer].tunnel);
    tunnel_drain(world.sides[drainer].tunnel); /* once is enough */
    world_turn_until(&world, is_draining, &world.sides[1 - drainer]);
    assert_false(tunnel_usable(world.sides[0].tunnel));
    assert_null(tunnel_connect(world.sides[0].tunnel, &request, &endpoint_handlers, &late));
    assert_false(late.closed);
    endpoint_say(&client, 500000, THEN_END);
    endpoint_say(&world.served[0], 700000, THEN_END);
    world_turn_until_closed(&world, &client, &world.served[0]);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(world.served[0].end, STREAM_FINISHED);
    assert_int_equal(client.heard, 701000);
    assert_int_equal(world.served[0].heard, 501000);
    turn_until_both_are_closed(&world);
    assert_int_equal(world.sides[0].closed, 1);
    assert_int_equal(world.sides[1].closed, 1);
    assert_false(world.sides[0].refused);
    assert_false(world.sides[1].refused);
    world_free(&world);
}

static void drains_when_the_source_wants_to(void **state)
{
    (void)state;
    drain_with_a_stream(0);
}

static void drains_when_the_target_wants_to(void **state)
{
    (void)state;
    drain_with_a_stream(1);
}

static void drains_away_when_nothing_is_open(void **state)
{
    (void)state;
    for (int drainer = 0; drainer < 2; drainer++) {
        struct world world;

        world_make(&world, NULL);
        tunnel_drain(world.sides[drainer].tunnel);
        turn_until_both_are_closed(&world);
        assert_true(strcmp(world.sides[0].reason, "drained") == 0 ||
                    strcmp(world.sides[1].reason, "drained") == 0);
        world_free(&world);
    }
}

/* ---- the end ---- */

static void ends_at_its_owners_wish(void **state)
{
    for (int closer = 0; closer < 2; closer++) {
        struct world world;
        struct endpoint client = {.to_say = 1000, .takes = FOREVER};

        (void)state;
        world_make(&world, NULL);
        world_connect(&world, &client);
        world_turn_quiet(&world);
        tunnel_close(world.sides[closer].tunnel, "no longer wanted");
        tunnel_close(world.sides[closer].tunnel, "once more");
        assert_int_equal(world.sides[closer].closed, 0); /* from the next turn on */
        turn_until_both_are_closed(&world);
        assert_string_equal(world.sides[closer].reason, "no longer wanted");
        assert_string_equal(world.sides[1 - closer].reason, "the peer closed the tunnel");
        assert_int_equal(world.sides[0].closed, 1);
        assert_int_equal(world.sides[1].closed, 1);
        assert_false(world.sides[1 - closer].refused);
        assert_true(client.closed);
        assert_int_equal(client.end, STREAM_TUNNEL_LOST);
        assert_int_equal(world.served[0].end, STREAM_TUNNEL_LOST);
        world_free(&world);
    }
}

static void ends_without_a_word_when_freed(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 1000, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    world_turn_quiet(&world);
    tunnel_free(world.sides[0].tunnel);
    world.sides[0].tunnel = NULL;
    assert_int_equal(world.sides[0].closed, 0);
    assert_true(client.closed);
    assert_int_equal(client.end, STREAM_TUNNEL_LOST);
    world_turn_until(&world, is_closed, &world.sides[1]);
    assert_string_equal(world.sides[1].reason, "the peer closed the tunnel");
    assert_int_equal(world.served[0].end, STREAM_TUNNEL_LOST);
    world_free(&world);
}

static void ends_when_the_connection_breaks(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 1000, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    world_turn_quiet(&world);
    shutdown(world.sides[0].tunnel->established->fd, SHUT_RDWR);
    turn_until_both_are_closed(&world);
    assert_string_equal(world.sides[0].reason, "the peer closed the connection");
    assert_int_equal(client.end, STREAM_TUNNEL_LOST);
    assert_int_equal(world.served[0].end, STREAM_TUNNEL_LOST);
    world_free(&world);
}

/* Bytes that the peer's record layer has not sealed. */
static void ends_on_what_is_no_record(void **state)
{
    static const char junk[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct world world;

    (void)state;
    world_make(&world, record_engine_find("mbedtls"));
    assert_int_equal(
        send(world.sides[0].tunnel->established->fd, junk, sizeof(junk) - 1, MSG_NOSIGNAL),
        sizeof(junk) - 1);
    world_turn_until(&world, is_closed, &world.sides[1]);
    assert_true(world.sides[1].refused);
    assert_true(strlen(world.sides[1].reason) > 0);
    world_turn_until(&world, is_closed, &world.sides[0]);
    world_free(&world);
}

/* A record that is in order, but is no HTTP/2. */
static void ends_on_what_is_no_http(void **state)
{
    struct world world;
    struct tunnel *tunnel;
    uint8_t *place;
    size_t room;

    (void)state;
    world_make(&world, NULL);
    tunnel = world.sides[0].tunnel;
    place = sender_room(&tunnel->sender, 100, &room);
    assert_non_null(place);
    memset(place, 0xff, 100);
    sender_commit(&tunnel->sender, 100);
    tunnel_schedule(tunnel);
    turn_until_both_are_closed(&world);
    assert_non_null(strstr(world.sides[1].reason, "the peer broke HTTP/2"));
    assert_false(world.sides[1].refused);
    world_free(&world);
}

/* ---- silence ---- */

/* As if the peer had said nothing for so long; and the timer, which has come. */
static void be_silent_for(struct world *world, int side, int seconds)
{
    struct tunnel *tunnel = world->sides[side].tunnel;

    tunnel->last_heard = loop_now() - (int64_t)seconds * 1000000;
    event_active(tunnel->keepalive, EV_TIMEOUT, 0);
}

static void asks_a_silent_peer_for_a_sign_of_life(void **state)
{
    struct world world;
    uint64_t before;

    (void)state;
    world_make(&world, NULL);
    for (int side = 0; side < 2; side++) {
        before = world.sides[side].tunnel->received_bytes;
        be_silent_for(&world, side, TUNNEL_PING_SECONDS - 1);
        world_turn_quiet(&world);
        assert_int_equal(world.sides[side].tunnel->received_bytes, before); /* not yet */
        be_silent_for(&world, side, TUNNEL_PING_SECONDS);
        world_turn_quiet(&world);
        assert_true(world.sides[side].tunnel->received_bytes > before);
        assert_true(loop_now() - world.sides[side].tunnel->last_heard < 5000000);
        assert_int_equal(world.sides[side].closed, 0);
    }
    world_free(&world);
}

static void gives_a_dead_peer_up(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 1000, .takes = FOREVER};

    (void)state;
    world_make(&world, NULL);
    world_connect(&world, &client);
    world_turn_quiet(&world);
    be_silent_for(&world, 0, TUNNEL_DEAD_SECONDS);
    world_turn_until(&world, is_closed, &world.sides[0]);
    assert_string_equal(world.sides[0].reason, "the peer has been silent for 20 seconds");
    assert_int_equal(client.end, STREAM_TUNNEL_LOST);
    world_free(&world);
}

/* ---- keys ---- */

static void changes_its_key_or_gives_way(void **state)
{
    struct world world;
    struct endpoint client = {.to_say = 8 << 20, .then = THEN_END, .takes = FOREVER};
    const struct record *record;
    bool changes;
    bool gives_way;

    (void)state;
    world_make(&world, NULL);
    record = world.sides[0].tunnel->established->record;
    changes = record->engine->control &&
              strcmp(world.sides[0].tunnel->established->version, "TLSv1.3") == 0;
    gives_way = record->engine->spent && !changes;
    for (int side = 0; side < 2; side++)
        world.sides[side].tunnel->established->record->key_limit = 50;
    world.pattern.to_say = 8 << 20;
    world.pattern.then = THEN_END;
    world_connect(&world, &client);
    world_turn_until_closed(&world, &client, &world.served[0]);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(world.served[0].end, STREAM_FINISHED);
    assert_int_equal(client.heard, 8 << 20);
    assert_int_equal(world.served[0].heard, 8 << 20);
    assert_false(client.wrong);
    if (gives_way)
        assert_true(world.sides[0].draining);
    else if (changes)
        assert_true(tunnel_usable(world.sides[0].tunnel));
    else
        print_message("skipped: the engine %s does not count records\n", record->engine->name);
    world_free(&world);
}

/* ---- many ---- */

static void carries_streams_one_after_another_without_growing(void **state)
{
    enum { WARM = 500, ALL = 10000 };
    struct world world;
    size_t warm = 0;

    (void)state;
    world_make(&world, NULL);
    world.pattern.to_say = 100;
    world.pattern.then = THEN_END;
    for (int i = 0; i < ALL; i++) {
        struct endpoint client = {.to_say = 200, .then = THEN_END, .takes = FOREVER};

        if (i % 7 == 1)
            client.then = THEN_RESET;
        world_connect(&world, &client);
        world_turn_until_closed(&world, &client, &world.served[0]);
        if (client.then == THEN_END) {
            assert_int_equal(client.end, STREAM_FINISHED);
            assert_int_equal(client.heard, 100);
        }
        if (i == WARM)
            warm = support_memory_in_use();
    }
    assert_int_equal(tunnel_streams(world.sides[0].tunnel), 0);
    assert_int_equal(tunnel_streams(world.sides[1].tunnel), 0);
    /* A leak of the smallest allocation there is would be four times as much. */
    assert_true(support_memory_in_use() < warm + 65536);
    world_free(&world);
}

struct crowd {
    struct endpoint *clients;
    unsigned count;
};

static bool all_answered(void *argument)
{
    const struct crowd *crowd = argument;

    for (unsigned i = 0; i < crowd->count; i++) {
        if (!crowd->clients[i].answered)
            return false;
    }
    return true;
}

/* The server's endpoints of the world are few; here one says and takes nothing for all. */
static size_t take_nothing(void *endpoint, const struct iovec *parts, unsigned count, size_t size)
{
    (void)endpoint;
    (void)parts;
    (void)count;
    (void)size;
    return 0;
}

static ssize_t say_nothing(void *endpoint, const struct iovec *parts, unsigned count, size_t size)
{
    (void)endpoint;
    (void)parts;
    (void)count;
    (void)size;
    return STREAM_PULL_LATER;
}

static void ignore(void *endpoint)
{
    (void)endpoint;
}

static void ignore_answer(void *endpoint, unsigned status, const char *reason)
{
    (void)endpoint;
    (void)status;
    (void)reason;
}

static void ignore_end(void *endpoint, enum stream_end end)
{
    (void)endpoint;
    (void)end;
}

static const struct stream_handlers idle_handlers = {say_nothing, take_nothing, ignore,
                                                     ignore_answer, ignore_end};

static void on_idle_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                            const struct stream_request *request)
{
    (void)owner;
    (void)tunnel;
    (void)request;
    stream_bind(stream, &idle_handlers, NULL);
    stream_accept(stream);
}

static void keeps_idle_streams_for_little(void **state)
{
    enum { STREAMS = 4000 };
    static struct endpoint clients[STREAMS];
    struct crowd crowd = {clients, STREAMS};
    struct tunnel_handlers idle;
    struct world world;
    size_t before;

    (void)state;
    world_make(&world, NULL);
    idle = *world.sides[1].tunnel->handlers;
    idle.request = on_idle_request;
    world.sides[1].tunnel->handlers = &idle;
    before = support_memory_in_use();
    for (int i = 0; i < STREAMS; i++)
        world_connect(&world, &clients[i]);
    world_turn_until(&world, all_answered, &crowd);
    assert_int_equal(tunnel_streams(world.sides[0].tunnel), STREAMS);
    assert_int_equal(tunnel_streams(world.sides[1].tunnel), STREAMS);
    /* Both tunnels' shares, without sockets. */
    assert_in_range((support_memory_in_use() - before) / STREAMS, 1, 2048);
    world_free(&world);
    for (int i = 0; i < STREAMS; i++)
        assert_int_equal(clients[i].end, STREAM_TUNNEL_LOST);
}

static void takes_as_many_streams_as_it_may(void **state)
{
    static struct endpoint clients[TUNNEL_STREAMS_MAX];
    struct crowd crowd = {clients, TUNNEL_STREAMS_MAX};
    struct stream_request request = world_request();
    struct endpoint one_more = {.takes = 0};
    struct tunnel_handlers idle;
    struct world world;

    (void)state;
    world_make(&world, NULL);
    idle = *world.sides[1].tunnel->handlers;
    idle.request = on_idle_request;
    world.sides[1].tunnel->handlers = &idle;
    for (int i = 0; i < TUNNEL_STREAMS_MAX; i++)
        world_connect(&world, &clients[i]);
    assert_false(tunnel_usable(world.sides[0].tunnel));
    assert_null(tunnel_connect(world.sides[0].tunnel, &request, &endpoint_handlers, &one_more));
    world_turn_until(&world, all_answered, &crowd);
    for (int i = 0; i < 10; i++)
        stream_cancel(clients[i].stream);
    world_turn_until(&world, endpoint_is_closed, &clients[9]);
    world_turn_quiet(&world);
    assert_true(tunnel_usable(world.sides[0].tunnel));
    assert_int_equal(tunnel_streams(world.sides[1].tunnel), TUNNEL_STREAMS_MAX - 10);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tunnel[] = {
        cmocka_unit_test(is_ready_when_both_have_spoken),
        cmocka_unit_test(is_not_usable_before_its_peer_has_spoken),
        cmocka_unit_test(works_with_every_engine),
        cmocka_unit_test(hands_the_request_to_its_owner),
        cmocka_unit_test(says_when_a_request_is_not_understood),
        cmocka_unit_test(passes_refusals_on),
        cmocka_unit_test(refuses_without_anybody_bound),
        cmocka_unit_test(answers_for_an_owner_who_does_not),
        cmocka_unit_test(answers_probes),
        cmocka_unit_test(drains_when_the_source_wants_to),
        cmocka_unit_test(drains_when_the_target_wants_to),
        cmocka_unit_test(drains_away_when_nothing_is_open),
        cmocka_unit_test(ends_at_its_owners_wish),
        cmocka_unit_test(ends_without_a_word_when_freed),
        cmocka_unit_test(ends_when_the_connection_breaks),
        cmocka_unit_test(ends_on_what_is_no_record),
        cmocka_unit_test(ends_on_what_is_no_http),
        cmocka_unit_test(asks_a_silent_peer_for_a_sign_of_life),
        cmocka_unit_test(gives_a_dead_peer_up),
        cmocka_unit_test(changes_its_key_or_gives_way),
        cmocka_unit_test(carries_streams_one_after_another_without_growing),
        cmocka_unit_test(keeps_idle_streams_for_little),
        cmocka_unit_test(takes_as_many_streams_as_it_may),
    };

    return cmocka_run_group_tests(tunnel, support_enter_folder, support_leave_folder);
}
