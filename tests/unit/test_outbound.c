#include "appnet/sidecar/outbound.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/sidecar/policy.h"
#include "fleet.h"
#include "support.h"

#define CLIENTS 30

/* Applications that dial their plug; behind it the fleet. */
struct bench {
    struct fleet fleet;
    struct relay_set relays;
    struct outbound *outbound;
    struct address address; /* the plug's */
    struct connection_state last;
    int clients[CLIENTS]; /* -1: closed */
};

static void on_changed(void *argument, const struct connection_state *state)
{
    struct bench *bench = argument;

    bench->last = *state;
}

static bool is_established(void *argument)
{
    const struct bench *bench = argument;

    return bench->last.status == CONNECTION_ESTABLISHED;
}

static bool all_are_probed(void *argument)
{
    const struct bench *bench = argument;

    for (unsigned i = 0; i < bench->fleet.outbound.address_count; i++) {
        if (bench->fleet.ships[i].probes == 0) {
            return false;
        }
    }
    return true;
}

static void begin(struct bench *bench, unsigned ships)
{
    struct fleet *fleet = &bench->fleet;
    int fd;

    memset(bench, 0, sizeof *bench);
    memset(bench->clients, 0xff, sizeof bench->clients);
    fleet_make(fleet, ships);
    relay_set_init(&bench->relays, loop_base(fleet->loop));
    bench->outbound = outbound_new(loop_base(fleet->loop), fleet->pool, &bench->relays,
                                   &fleet->snapshot, &fleet->outbound, true, on_changed, bench);
    fd = support_listen(&bench->address);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(outbound_listen(bench->outbound, fd, NULL), 0);
}

static void settle(struct bench *bench)
{
    fleet_turn_until(&bench->fleet, is_established, bench);
    fleet_turn_until(&bench->fleet, all_are_probed, bench);
    fleet_turn_for(&bench->fleet, 30);
}

static void cut(void *argument, struct relay *relay)
{
    (void)argument;
    relay_cut(relay, "stopped");
}

static void end(struct bench *bench)
{
    outbound_free(bench->outbound);
    relay_each(&bench->relays, cut, NULL);
    fleet_turn_for(&bench->fleet, 20);
    fleet_free(&bench->fleet);
    assert_int_equal(atomic_load(&bench->relays.open), 0);
    relay_set_clear(&bench->relays);
    for (int i = 0; i < CLIENTS; i++) {
        if (bench->clients[i] >= 0) {
            close(bench->clients[i]);
        }
    }
}

static int plug_in(struct bench *bench, int client)
{
    int fd = support_connect(&bench->address);

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    bench->clients[client] = fd;
    return fd;
}

static uint8_t pattern_at(size_t place)
{
    return (uint8_t)(place * 7 + (place >> 8) * 13 + (place >> 16) * 31);
}

static void say(int fd, size_t size)
{
    static uint8_t bytes[65536];

    assert_true(size <= sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern_at(i);
    }
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* 0: it is as it should be; else the errno of its end. */
static int broken(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

    return n < 0 && errno != EAGAIN ? errno : 0;
}

/* ---- */

/* Those on the dead replica are lost, nobody else, and nobody after. */
static void loses_only_what_a_dead_replica_carries(void **state)
{
    struct bench bench;
    unsigned lost = 0;

    (void)state;
    begin(&bench, 3);
    settle(&bench);
    for (int i = 0; i < CLIENTS - 10; i++) {
        say(plug_in(&bench, i), 100);
        fleet_turn_for(&bench.fleet, 2);
    }
    fleet_turn_for(&bench.fleet, 50);
    for (int i = 0; i < 3; i++) {
        assert_in_range(fleet_open(&bench.fleet.ships[i]), 6, 8);
    }
    lost = fleet_open(&bench.fleet.ships[1]);
    fleet_sink(&bench.fleet.ships[1]);
    fleet_turn_for(&bench.fleet, 50);
    for (int i = 0; i < CLIENTS - 10; i++) {
        lost -= broken(bench.clients[i]) == ECONNRESET;
    }
    assert_int_equal(lost, 0);
    for (int i = CLIENTS - 10; i < CLIENTS; i++) {
        say(plug_in(&bench, i), 100);
        fleet_turn_for(&bench.fleet, 2);
    }
    fleet_turn_for(&bench.fleet, 50);
    for (int i = CLIENTS - 10; i < CLIENTS; i++) {
        assert_int_equal(broken(bench.clients[i]), 0);
    }
    assert_int_equal(bench.last.status, CONNECTION_ESTABLISHED);
    end(&bench);
}

static unsigned heard(const struct fleet_ship *ship)
{
    unsigned whole = 0;

    for (unsigned i = 0; i < ship->streams; i++) {
        whole += ship->served[i]->heard == 30000;
    }
    return whole;
}

/* The application behind one replica has stopped: nobody notices. */
static void refused_streams_go_to_another(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3);
    settle(&bench);
    bench.fleet.ships[0].refusal = REASON_TARGET_REFUSED;
    bench.fleet.ships[2].refusal = "something-else";
    for (int i = 0; i < 10; i++) {
        say(plug_in(&bench, i), 30000);
    }
    fleet_turn_for(&bench.fleet, 100);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(broken(bench.clients[i]), 0);
    }
    assert_int_equal(heard(&bench.fleet.ships[1]), 10);
    assert_int_equal(bench.last.status, CONNECTION_ESTABLISHED);
    assert_int_equal(bench.relays.refused, 0);
    end(&bench);
}

/* What one said nothing through may be lost. What one did say something through may have reached
 * the application, so it is not said again. */
static void unanswered_streams_go_to_another_if_nothing_was_said(void **state)
{
    struct bench bench;
    unsigned lost = 0;
    unsigned silent;

    (void)state;
    begin(&bench, 2);
    settle(&bench);
    bench.fleet.ships[0].silent = true;
    for (int i = 0; i < 20; i++) {
        plug_in(&bench, i);
        if (i >= 10) {
            say(bench.clients[i], 10);
        }
        fleet_turn_for(&bench.fleet, 2);
    }
    fleet_turn_for(&bench.fleet, 50);
    silent = bench.fleet.ships[0].streams;
    assert_in_range(silent, 9, 11);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_turn_for(&bench.fleet, 50);
    for (int i = 0; i < 20; i++) {
        if (broken(bench.clients[i]) != 0) {
            assert_true(i >= 10);
            lost++;
        }
    }
    assert_in_range(lost, 4, 6);
    assert_int_equal(fleet_open(&bench.fleet.ships[1]), 20 - lost);
    end(&bench);
}

static void who_dials_with_no_replica_there_is_refused_at_once(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1);
    settle(&bench);
    fleet_sink(&bench.fleet.ships[0]); /* one that works would be kept */
    fleet_order(&bench.fleet, "");
    outbound_update(bench.outbound, &bench.fleet.snapshot, &bench.fleet.outbound);
    fleet_turn_for(&bench.fleet, 30);
    plug_in(&bench, 0);
    fleet_turn_for(&bench.fleet, 30);
    assert_int_equal(broken(bench.clients[0]), ECONNRESET);
    assert_string_equal(bench.last.reason, REASON_NO_REPLICA);
    end(&bench);
}

/* The wire is moved to another inbound, where nobody is, while applications wait. */
static void who_waits_moves_along(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 2);
    fleet_sink(&bench.fleet.ships[0]);
    fleet_order(&bench.fleet, "0");
    outbound_update(bench.outbound, &bench.fleet.snapshot, &bench.fleet.outbound);
    for (int i = 0; i < 3; i++) {
        plug_in(&bench, i);
    }
    fleet_turn_for(&bench.fleet, 1);
    fleet_order(&bench.fleet, "1");
    outbound_move(bench.outbound, &bench.fleet.snapshot, &bench.fleet.outbound);
    fleet_turn_for(&bench.fleet, 200);
    for (int i = 0; i < 3; i++) {
        plug_in(&bench, 3 + i);
        fleet_turn_for(&bench.fleet, 20);
        assert_int_equal(broken(bench.clients[3 + i]), 0);
    }
    fleet_order(&bench.fleet, "0");
    outbound_update(bench.outbound, &bench.fleet.snapshot, &bench.fleet.outbound);
    plug_in(&bench, 6);
    fleet_turn_for(&bench.fleet, 1);
    fleet_order(&bench.fleet, "");
    outbound_move(bench.outbound, &bench.fleet.snapshot, &bench.fleet.outbound);
    fleet_turn_for(&bench.fleet, 20);
    assert_int_equal(broken(bench.clients[6]), ECONNRESET);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest outbound[] = {
        cmocka_unit_test(loses_only_what_a_dead_replica_carries),
        cmocka_unit_test(refused_streams_go_to_another),
        cmocka_unit_test(unanswered_streams_go_to_another_if_nothing_was_said),
        cmocka_unit_test(who_dials_with_no_replica_there_is_refused_at_once),
        cmocka_unit_test(who_waits_moves_along),
    };

    return cmocka_run_group_tests(outbound, support_enter_folder, support_leave_folder);
}
