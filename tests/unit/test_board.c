#include "appnet/sidecar/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/sidecar/policy.h"

#define WORKERS 2

static const struct connection_state established = {.status = CONNECTION_ESTABLISHED};
static const struct connection_state failed = {.status = CONNECTION_FAILED,
                                               .reason = REASON_TARGET_REFUSED,
                                               .detail = {"the application is not there"}};

/* One outbound, connected to mysql, on a board that counts what it tells. */
struct bench {
    struct board *board;
    struct snapshot_outbound outbound;
    struct snapshot snapshot;
    unsigned told;
    struct connection_state last;
};

static void on_changed(void *argument, const struct snapshot_outbound *outbound,
                       const struct connection_state *state)
{
    struct bench *bench = argument;

    assert_string_equal(outbound->name, bench->outbound.name);
    bench->told++;
    bench->last = *state;
}

static int set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof bench);
    bench.outbound = (struct snapshot_outbound){
        .name = "db",
        .connected = true,
        .instance = "mysql",
        .inbound = "sql",
        .listen = {.host = "127.0.0.1", .port = 3306},
        .port = 3306,
    };
    bench.snapshot.outbounds = &bench.outbound;
    bench.snapshot.outbound_count = 1;
    bench.board = board_new(WORKERS, on_changed, &bench);
    board_apply(bench.board, &bench.snapshot);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    board_free(bench->board);
    return 0;
}

static enum connection_status status_of(const struct bench *bench)
{
    return board_state(bench->board, "db")->status;
}

static void all_have_measured(struct bench *bench)
{
    board_listening(bench->board, "db", NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        board_report(bench->board, i, &bench->outbound, &established);
    }
}

static void begins_as_waiting(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(status_of(bench), CONNECTION_WAITING);
    assert_int_equal(bench->told, 0);
    assert_null(board_state(bench->board, "cache"));
}

static void is_established_when_all_workers_and_the_socket_are(void **state)
{
    struct bench *bench = *state;

    board_report(bench->board, 0, &bench->outbound, &established);
    board_listening(bench->board, "db", NULL);
    assert_int_equal(status_of(bench), CONNECTION_WAITING);
    board_report(bench->board, 1, &bench->outbound, &established);
    assert_int_equal(status_of(bench), CONNECTION_ESTABLISHED);
    assert_int_equal(bench->told, 1);
}

static void fails_when_one_worker_does_and_recovers(void **state)
{
    struct bench *bench = *state;

    all_have_measured(bench);
    board_report(bench->board, 1, &bench->outbound, &failed);
    assert_int_equal(bench->last.status, CONNECTION_FAILED);
    assert_string_equal(bench->last.reason, REASON_TARGET_REFUSED);
    assert_string_equal(bench->last.detail.text, failed.detail.text);
    board_report(bench->board, 1, &bench->outbound, &established);
    assert_int_equal(bench->last.status, CONNECTION_ESTABLISHED);
    assert_int_equal(bench->told, 3);
}

static void tells_a_state_once(void **state)
{
    struct bench *bench = *state;

    board_report(bench->board, 0, &bench->outbound, &failed);
    board_report(bench->board, 0, &bench->outbound, &failed);
    board_report(bench->board, 1, &bench->outbound, &failed);
    assert_int_equal(bench->told, 1);
}

static void taken_port_comes_before_all_else(void **state)
{
    struct bench *bench = *state;
    const struct error why = {"cannot listen on 127.0.0.1:3306: Address already in use"};

    all_have_measured(bench);
    board_listening(bench->board, "db", &why);
    assert_int_equal(bench->last.status, CONNECTION_FAILED);
    assert_string_equal(bench->last.reason, REASON_LISTEN_CONFLICT);
    board_listening(bench->board, "db", NULL);
    assert_int_equal(bench->last.status, CONNECTION_ESTABLISHED);
}

static void same_wire_keeps_its_state(void **state)
{
    struct bench *bench = *state;

    all_have_measured(bench);
    bench->outbound.required = true;
    board_apply(bench->board, &bench->snapshot);
    assert_int_equal(status_of(bench), CONNECTION_ESTABLISHED);
}

static void another_wire_begins_anew(void **state)
{
    struct bench *bench = *state;
    struct snapshot_outbound before = bench->outbound;

    all_have_measured(bench);
    snprintf(bench->outbound.inbound, sizeof bench->outbound.inbound, "reports");
    board_apply(bench->board, &bench->snapshot);
    assert_int_equal(status_of(bench), CONNECTION_WAITING);

    /* What was measured of the old one, and was on its way, says nothing of the new one. */
    board_listening(bench->board, "db", NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        board_report(bench->board, i, &before, &established);
    }
    assert_int_equal(status_of(bench), CONNECTION_WAITING);
}

static void outbound_that_is_gone_has_no_state(void **state)
{
    struct bench *bench = *state;
    struct snapshot empty = {.outbound_count = 0};

    board_apply(bench->board, &empty);
    board_report(bench->board, 0, &bench->outbound, &established);
    board_listening(bench->board, "db", NULL);
    assert_null(board_state(bench->board, "db"));
    assert_int_equal(bench->told, 0);
}

static void unconnected_outbound_has_no_state(void **state)
{
    struct bench *bench = *state;

    bench->outbound.connected = false;
    board_apply(bench->board, &bench->snapshot);
    assert_null(board_state(bench->board, "db"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest board[] = {
        TEST(begins_as_waiting),
        TEST(is_established_when_all_workers_and_the_socket_are),
        TEST(fails_when_one_worker_does_and_recovers),
        TEST(tells_a_state_once),
        TEST(taken_port_comes_before_all_else),
        TEST(same_wire_keeps_its_state),
        TEST(another_wire_begins_anew),
        TEST(outbound_that_is_gone_has_no_state),
        TEST(unconnected_outbound_has_no_state),
    };

    return cmocka_run_group_tests(board, NULL, NULL);
}
