#include "appnet/sidecar/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/sidecar/policy.h"
#include "fleet.h"
#include "support.h"

/* A connection of the fleet's source, and what it said of its state. */
struct bench {
    struct fleet fleet;
    struct connection *connection;
    struct connection_state last;
    unsigned told;
    unsigned failures; /* states told that were FAILED */
    struct endpoint streams[FLEET_STREAMS];
    unsigned stream_count;
};

static void on_changed(void *argument, const struct connection_state *state)
{
    struct bench *bench = argument;

    bench->last = *state;
    bench->told++;
    bench->failures += state->status == CONNECTION_FAILED;
}

static void begin(struct bench *bench, unsigned ships)
{
    memset(bench, 0, sizeof *bench);
    fleet_make(&bench->fleet, ships);
}

static void connect_it(struct bench *bench)
{
    struct fleet *fleet = &bench->fleet;

    bench->connection = connection_new(loop_base(fleet->loop), fleet->pool, &fleet->snapshot,
                                       &fleet->outbound, true, on_changed, bench);
}

static void end(struct bench *bench)
{
    connection_free(bench->connection);
    fleet_free(&bench->fleet);
}

static void order(struct bench *bench, const char *ships)
{
    fleet_order(&bench->fleet, ships);
    connection_update(bench->connection, &bench->fleet.snapshot, &bench->fleet.outbound);
}

static bool is_established(void *argument)
{
    const struct bench *bench = argument;

    return connection_state(bench->connection)->status == CONNECTION_ESTABLISHED;
}

static bool has_failed(void *argument)
{
    const struct bench *bench = argument;

    return connection_state(bench->connection)->status == CONNECTION_FAILED;
}

static void turn_until(struct bench *bench, bool (*done)(void *argument))
{
    fleet_turn_until(&bench->fleet, done, bench);
}

/* Each of the ships was probed, so that each is known to work. */
static bool all_are_probed(void *argument)
{
    const struct bench *bench = argument;

    for (unsigned i = 0; i < FLEET_MAX; i++) {
        if (bench->fleet.ships[i].handshaker && bench->fleet.ships[i].probes == 0) {
            return false;
        }
    }
    return true;
}

static void settle(struct bench *bench)
{
    turn_until(bench, all_are_probed);
    fleet_turn_for(&bench->fleet, 30);
}

/* Opens a stream where the connection says; NULL: it says nowhere. */
static struct endpoint *open_one(struct bench *bench)
{
    struct tunnel *tunnel = connection_tunnel(bench->connection);
    struct endpoint *endpoint = &bench->streams[bench->stream_count++];

    assert_true(bench->stream_count <= FLEET_STREAMS);
    if (!tunnel) {
        return NULL;
    }
    *endpoint = (struct endpoint){.takes = FOREVER};
    endpoint->stream =
        tunnel_connect(tunnel, connection_request(bench->connection), &endpoint_handlers, endpoint);
    assert_non_null(endpoint->stream);
    return endpoint;
}

static void open_many(struct bench *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(open_one(bench));
    }
    fleet_turn_for(&bench->fleet, 50);
}

/* ---- states ---- */

static void one_that_works_is_enough(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_sink(&bench.fleet.ships[2]);
    connect_it(&bench);
    assert_int_equal(bench.told, 0); /* not from within connection_new */
    turn_until(&bench, is_established);
    fleet_turn_for(&bench.fleet, 500); /* the others fail again and again */
    assert_true(is_established(&bench));
    assert_int_equal(bench.failures, 0);
    end(&bench);
}

static void fails_when_none_works_and_comes_back(void **state)
{
    struct bench bench;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    begin(&bench, 2);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_sink(&bench.fleet.ships[1]);
    connect_it(&bench);
    turn_until(&bench, has_failed);
    assert_string_equal(bench.last.reason, REASON_UNREACHABLE);
    address_format(&bench.fleet.ships[0].address, text, sizeof text);
    assert_memory_equal(bench.last.detail.text, text, strlen(text)); /* says of whom */
    fleet_raise(&bench.fleet.ships[1]);
    turn_until(&bench, is_established);
    fleet_sink(&bench.fleet.ships[1]);
    turn_until(&bench, has_failed);
    end(&bench);
}

static void has_no_replica(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    fleet_order(&bench.fleet, "");
    connect_it(&bench);
    assert_int_equal(bench.told, 0);
    turn_until(&bench, has_failed);
    assert_string_equal(bench.last.reason, REASON_NO_REPLICA);
    assert_non_null(strstr(bench.last.detail.text, "db"));
    assert_null(open_one(&bench));
    order(&bench, "0");
    assert_int_equal(bench.last.status, CONNECTION_WAITING);
    turn_until(&bench, is_established);
    order(&bench, "");
    fleet_sink(&bench.fleet.ships[0]);
    turn_until(&bench, has_failed);
    assert_string_equal(bench.last.reason, REASON_NO_REPLICA);
    end(&bench);
}

static bool failed_as_not_authorised(void *argument)
{
    const struct bench *bench = argument;

    return bench->last.reason && strcmp(bench->last.reason, REASON_NOT_AUTHORISED) == 0;
}

/* Both ends hear of a new connection at about the same time; either may be the first. */
static void a_target_that_hears_of_it_later_has_not_failed(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    snprintf(bench.fleet.outbound.id, NAME_SIZE, "c-0123456789ab");
    bench.fleet.ships[0].refusal = REASON_NOT_AUTHORISED;
    connect_it(&bench);
    turn_until(&bench, all_are_probed);
    fleet_turn_for(&bench.fleet, 150);
    assert_true(bench.fleet.ships[0].probes > 3); /* asked again at short intervals */
    assert_int_equal(bench.failures, 0);
    bench.fleet.ships[0].refusal = NULL;
    fleet_turn_for(&bench.fleet, 80);
    assert_true(is_established(&bench));
    assert_int_equal(bench.failures, 0);

    /* but what it takes back has been taken back */
    bench.fleet.ships[0].refusal = REASON_NOT_AUTHORISED;
    assert_non_null(open_one(&bench));
    connection_doubt(bench.connection, connection_tunnel(bench.connection), REASON_NOT_AUTHORISED);
    assert_true(has_failed(&bench));
    end(&bench);
}

static void a_target_that_never_hears_of_it_has_failed(void **state)
{
    struct bench bench;

    (void)state;
    for (int news = 0; news < 2; news++) {
        begin(&bench, 1);
        snprintf(bench.fleet.outbound.id, NAME_SIZE, "%s", news ? "c-0123456789ab" : "");
        bench.fleet.ships[0].refusal = REASON_NOT_AUTHORISED;
        connect_it(&bench);
        turn_until(&bench, failed_as_not_authorised);
        end(&bench);
    }
}

/* ---- streams ---- */

static void streams_are_spread(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3);
    connect_it(&bench);
    settle(&bench);
    open_many(&bench, 30);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fleet_open(&bench.fleet.ships[i]), 10);
    }
    end(&bench);
}

static void streams_one_after_the_other_are_spread_too(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3);
    connect_it(&bench);
    settle(&bench);
    for (unsigned i = 0; i < 30; i++) {
        struct endpoint *endpoint = open_one(&bench);
        fleet_turn_for(&bench.fleet, 3);
        stream_cancel(endpoint->stream);
    }
    fleet_turn_for(&bench.fleet, 50);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(bench.fleet.ships[i].streams, 8, 12);
    }
    end(&bench);
}

static void replica_that_refuses_is_passed_over(void **state)
{
    struct bench bench;
    struct endpoint *refused = NULL;
    unsigned before;

    (void)state;
    begin(&bench, 2);
    connect_it(&bench);
    settle(&bench);
    bench.fleet.ships[0].refusal = REASON_TARGET_REFUSED;
    for (int i = 0; i < 2; i++) {
        struct tunnel *tunnel = connection_tunnel(bench.connection);
        struct endpoint *endpoint = open_one(&bench);
        fleet_turn_for(&bench.fleet, 50);
        if (endpoint->closed) {
            assert_int_equal(endpoint->status, 503);
            refused = endpoint;
            connection_doubt(bench.connection, tunnel, REASON_TARGET_REFUSED);
            break;
        }
    }
    assert_non_null(refused);
    assert_true(is_established(&bench)); /* the other one works */
    before = fleet_open(&bench.fleet.ships[1]);
    open_many(&bench, 10);
    assert_int_equal(fleet_open(&bench.fleet.ships[1]), before + 10);

    /* it has failed: it is nowhere to go to from the other one, but better than nothing */
    bench.fleet.ships[1].refusal = REASON_TARGET_REFUSED;
    connection_doubt(bench.connection, connection_tunnel(bench.connection), REASON_TARGET_REFUSED);
    assert_true(has_failed(&bench));
    assert_string_equal(bench.last.reason, REASON_TARGET_REFUSED);
    assert_null(connection_other_tunnel(bench.connection));
    assert_non_null(connection_tunnel(bench.connection));

    bench.fleet.ships[0].refusal = NULL;
    turn_until(&bench, is_established);
    assert_non_null(connection_other_tunnel(bench.connection));
    end(&bench);
}

static void dead_replica_is_passed_over(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3);
    connect_it(&bench);
    settle(&bench);
    open_many(&bench, 9);
    fleet_sink(&bench.fleet.ships[1]);
    fleet_turn_for(&bench.fleet, 50);
    assert_true(is_established(&bench));
    open_many(&bench, 12);
    assert_int_equal(fleet_open(&bench.fleet.ships[0]), 9);
    assert_int_equal(fleet_open(&bench.fleet.ships[2]), 9);
    assert_int_equal(bench.failures, 0);
    end(&bench);
}

/* ---- replicas that come and go ---- */

static void replica_that_stays_keeps_its_tunnel(void **state)
{
    struct bench bench;
    struct endpoint *streams[2];
    struct endpoint *third;

    (void)state;
    begin(&bench, 3);
    bench.fleet.outbound.address_count = 2;
    connect_it(&bench);
    turn_until(&bench, is_established);
    fleet_turn_for(&bench.fleet, 300);
    streams[0] = open_one(&bench);
    streams[1] = open_one(&bench);
    fleet_turn_for(&bench.fleet, 30);
    assert_int_equal(fleet_open(&bench.fleet.ships[0]), 1);
    assert_int_equal(fleet_open(&bench.fleet.ships[1]), 1);

    order(&bench, "21"); /* the first goes, the third comes */
    assert_true(is_established(&bench));
    fleet_turn_for(&bench.fleet, 300);
    assert_int_equal(bench.fleet.ships[1].accepted, 1);
    assert_int_equal(bench.fleet.ships[2].accepted, 1);
    for (int i = 0; i < 2; i++) { /* live streams are not touched */
        assert_false(streams[i]->closed);
        endpoint_say(streams[i], 100000, THEN_WAIT);
    }
    fleet_turn_for(&bench.fleet, 50);
    assert_int_equal(bench.fleet.ships[0].served[0]->heard, 100000);
    assert_int_equal(bench.fleet.ships[1].served[0]->heard, 100000);
    third = open_one(&bench);
    assert_non_null(third);
    fleet_turn_for(&bench.fleet, 50);
    assert_int_equal(fleet_open(&bench.fleet.ships[2]), 1); /* it has the fewest */
    assert_int_equal(bench.failures, 0);

    /* what the one that went still carried ends, and its tunnel with it */
    stream_cancel(streams[0]->stream);
    fleet_turn_for(&bench.fleet, 50);
    assert_null(bench.fleet.ships[0].tunnels[0]);
    assert_false(streams[1]->closed);
    end(&bench);
}

static void all_may_be_exchanged(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 2);
    fleet_order(&bench.fleet, "0");
    connect_it(&bench);
    turn_until(&bench, is_established);
    order(&bench, "1");
    assert_false(is_established(&bench)); /* not measured yet */
    turn_until(&bench, is_established);
    order(&bench, "0");
    turn_until(&bench, is_established);
    assert_int_equal(bench.fleet.ships[0].accepted, 2);
    end(&bench);
}

/* A registry that has just been started knows a target's replicas again only when they are back. */
static void replicas_that_work_are_kept_while_none_is_named(void **state)
{
    struct bench bench;
    struct endpoint *stream;

    (void)state;
    begin(&bench, 3);
    fleet_sink(&bench.fleet.ships[2]);
    connect_it(&bench);
    turn_until(&bench, is_established);
    fleet_turn_for(&bench.fleet, 300);
    order(&bench, "");
    stream = open_one(&bench);
    assert_non_null(stream);
    open_many(&bench, 3);
    assert_int_equal(fleet_open(&bench.fleet.ships[0]), 2);
    assert_int_equal(fleet_open(&bench.fleet.ships[1]), 2);
    order(&bench, "");
    order(&bench, "01");
    fleet_turn_for(&bench.fleet, 100);
    assert_false(stream->closed);
    for (unsigned i = 0; i < 2; i++) { /* the same tunnels all the time */
        assert_int_equal(bench.fleet.ships[i].accepted, 1);
    }
    assert_int_equal(bench.failures, 0);

    /* one that does not work is not kept: nor is it tried again */
    order(&bench, "");
    fleet_sink(&bench.fleet.ships[0]);
    fleet_turn_for(&bench.fleet, 100);
    assert_true(is_established(&bench));
    fleet_raise(&bench.fleet.ships[0]);
    fleet_turn_for(&bench.fleet, 1500);
    assert_int_equal(bench.fleet.ships[0].accepted, 1);
    assert_int_equal(bench.failures, 0);
    fleet_sink(&bench.fleet.ships[1]);
    turn_until(&bench, has_failed);
    assert_string_equal(bench.last.reason, REASON_NO_REPLICA);
    assert_int_equal(bench.failures, 1);
    assert_null(connection_tunnel(bench.connection));
    order(&bench, "0");
    turn_until(&bench, is_established);
    end(&bench);
}

/* ---- waiting ---- */

struct waiting {
    struct connection_waiter waiter;
    unsigned calls;
    struct tunnel *tunnel;
};

static void on_waited(void *argument, struct tunnel *tunnel)
{
    struct waiting *waiting = argument;

    waiting->calls++;
    waiting->tunnel = tunnel;
}

static void wait_for_it(struct bench *bench, struct waiting *waiting)
{
    memset(waiting, 0, sizeof *waiting);
    waiting->waiter.done = on_waited;
    waiting->waiter.argument = waiting;
    connection_wait(bench->connection, &waiting->waiter);
}

static bool was_called(void *argument)
{
    const struct waiting *waiting = argument;

    return waiting->calls > 0;
}

static void who_waits_gets_the_first_tunnel(void **state)
{
    struct bench bench;
    struct waiting waiting[3];

    (void)state;
    begin(&bench, 3);
    fleet_sink(&bench.fleet.ships[0]);
    connect_it(&bench);
    for (int i = 0; i < 3; i++) {
        wait_for_it(&bench, &waiting[i]);
        assert_int_equal(waiting[i].calls, 0);
    }
    connection_wait_cancel(bench.connection, &waiting[1].waiter);
    fleet_turn_until(&bench.fleet, was_called, &waiting[0]);
    fleet_turn_until(&bench.fleet, was_called, &waiting[2]);
    assert_non_null(waiting[0].tunnel);
    assert_non_null(waiting[2].tunnel);
    fleet_turn_for(&bench.fleet, 300);
    assert_int_equal(waiting[0].calls, 1);
    assert_int_equal(waiting[1].calls, 0);
    assert_int_equal(waiting[2].calls, 1);
    end(&bench);
}

static void who_waits_is_refused_when_all_have_failed(void **state)
{
    struct bench bench;
    struct waiting waiting;
    const char *detail;

    (void)state;
    begin(&bench, 2);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_sink(&bench.fleet.ships[1]);
    connect_it(&bench);
    wait_for_it(&bench, &waiting);
    fleet_turn_until(&bench.fleet, was_called, &waiting);
    assert_null(waiting.tunnel);
    assert_string_equal(connection_no_tunnel(bench.connection, &detail), REASON_UNREACHABLE);
    end(&bench);
}

static void who_waits_hears_of_replicas_that_come_and_go(void **state)
{
    struct bench bench;
    struct waiting waiting;
    const char *detail;

    (void)state;
    begin(&bench, 2);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_order(&bench.fleet, "0");
    connect_it(&bench);
    wait_for_it(&bench, &waiting);
    order(&bench, "1"); /* the dead one goes before it has failed */
    assert_int_equal(waiting.calls, 0);
    fleet_turn_until(&bench.fleet, was_called, &waiting);
    assert_non_null(waiting.tunnel);

    order(&bench, "0");
    wait_for_it(&bench, &waiting);
    order(&bench, "");
    assert_int_equal(waiting.calls, 1); /* there is nobody left to wait for */
    assert_null(waiting.tunnel);
    wait_for_it(&bench, &waiting);
    assert_int_equal(waiting.calls, 1);
    assert_null(waiting.tunnel);
    assert_string_equal(connection_no_tunnel(bench.connection, &detail), REASON_NO_REPLICA);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest connection[] = {
        cmocka_unit_test(one_that_works_is_enough),
        cmocka_unit_test(fails_when_none_works_and_comes_back),
        cmocka_unit_test(has_no_replica),
        cmocka_unit_test(a_target_that_hears_of_it_later_has_not_failed),
        cmocka_unit_test(a_target_that_never_hears_of_it_has_failed),
        cmocka_unit_test(streams_are_spread),
        cmocka_unit_test(streams_one_after_the_other_are_spread_too),
        cmocka_unit_test(replica_that_refuses_is_passed_over),
        cmocka_unit_test(dead_replica_is_passed_over),
        cmocka_unit_test(replica_that_stays_keeps_its_tunnel),
        cmocka_unit_test(all_may_be_exchanged),
        cmocka_unit_test(replicas_that_work_are_kept_while_none_is_named),
        cmocka_unit_test(who_waits_gets_the_first_tunnel),
        cmocka_unit_test(who_waits_is_refused_when_all_have_failed),
        cmocka_unit_test(who_waits_hears_of_replicas_that_come_and_go),
    };

    return cmocka_run_group_tests(connection, support_enter_folder, support_leave_folder);
}
