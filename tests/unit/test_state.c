#include "appnet/registry/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "registry_support.h"

#define NOW 1790000100000

static struct model_connection row;
static struct state_input input;
static struct state state_now;

/* One source replica and one target replica, a row of long ago, a registry that has run for long.
 */
static int set_up(void **state)
{
    static const struct state_source established = {
        .replica = "r1", .reported = true, .status = STATE_ESTABLISHED};

    (void)state;
    row = support_connection("c-1", "shop.db mysql.sql");
    row.created_at = NOW - 60000;
    input = (struct state_input){.connection = &row,
                                 .now = NOW,
                                 .uptime = 60000,
                                 .sources = &established,
                                 .source_count = 1,
                                 .target_count = 1};
    return 0;
}

static void assert_state(enum state_status status, const char *reason, const char *detail)
{
    state_derive(&input, &state_now);
    assert_string_equal(state_status_text(state_now.status), state_status_text(status));
    if (reason) {
        assert_non_null(state_now.reason);
        assert_string_equal(state_now.reason, reason);
    } else {
        assert_null(state_now.reason);
    }
    assert_string_equal(state_now.detail.text, detail);
}

static void report(const struct state_source *sources, unsigned count)
{
    input.sources = sources;
    input.source_count = count;
}

#define REPORT(...)                                                        \
    report((const struct state_source[]){__VA_ARGS__},                     \
           (unsigned)(sizeof((const struct state_source[]){__VA_ARGS__}) / \
                      sizeof(struct state_source)))
#define SAYS(id, what)                                      \
    {                                                       \
        .replica = (id), .reported = true, .status = (what) \
    }
#define FAILS(id, why, text)                                                        \
    {                                                                               \
        .replica = (id), .reported = true, .status = STATE_FAILED, .reason = (why), \
        .detail = (text)                                                            \
    }
#define SILENT(id)      \
    {                   \
        .replica = (id) \
    }

static void established_when_its_source_says_so(void **state)
{
    (void)state;
    assert_state(STATE_ESTABLISHED, NULL, "");
    assert_int_equal(state_now.next, 0);
}

/* Measured is measured, however young, and whoever else the registry has heard of. */
static void established_needs_no_time_and_no_word_of_the_target(void **state)
{
    (void)state;
    row.created_at = NOW - 1;
    input.uptime = 1;
    input.target_count = 0;
    assert_state(STATE_ESTABLISHED, NULL, "");
    assert_int_equal(state_now.next, 0);
}

static void established_only_when_every_source_says_so(void **state)
{
    (void)state;
    REPORT(SAYS("r1", STATE_ESTABLISHED), SAYS("r2", STATE_ESTABLISHED));
    assert_state(STATE_ESTABLISHED, NULL, "");
    REPORT(SAYS("r1", STATE_ESTABLISHED), SAYS("r2", STATE_WAITING));
    assert_state(STATE_WAITING, NULL, "");
    REPORT(SILENT("r1"), SAYS("r2", STATE_ESTABLISHED));
    assert_state(STATE_WAITING, NULL, "");
    REPORT(SAYS("r1", STATE_ESTABLISHED), FAILS("r2", "unreachable", "10.0.0.7:15008: timed out"));
    assert_state(STATE_FAILED, "unreachable", "replica r2 of shop: 10.0.0.7:15008: timed out");
}

static void a_replica_that_has_not_spoken_is_waited_for(void **state)
{
    /* what is in its place does not count */
    static const struct state_source silent = {.replica = "r1", .status = STATE_ESTABLISHED};

    (void)state;
    report(&silent, 1);
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, 0); /* it is there, and will speak */
}

static void a_failure_has_its_reason_and_sentence(void **state)
{
    (void)state;
    REPORT(FAILS("r1", "target-refused", "127.0.0.1:3306 refused the connection"));
    assert_state(STATE_FAILED, "target-refused", "127.0.0.1:3306 refused the connection");
    REPORT(FAILS("r1", "listen-conflict", NULL));
    assert_state(STATE_FAILED, "listen-conflict", "");
    REPORT(FAILS("r1", NULL, ""));
    assert_state(STATE_FAILED, "unreachable", "");
}

static void the_first_failure_of_several_is_told(void **state)
{
    (void)state;
    REPORT(SILENT("r1"), SAYS("r2", STATE_WAITING), FAILS("r3", "tls-refused", "expired"),
           FAILS("r4", "unreachable", "timed out"));
    assert_state(STATE_FAILED, "tls-refused", "replica r3 of shop: expired");
    REPORT(FAILS("r1", "tls-refused", NULL), FAILS("r2", "unreachable", "timed out"));
    assert_state(STATE_FAILED, "tls-refused", "replica r1 of shop");
}

static void a_young_row_is_waited_for(void **state)
{
    (void)state;
    row.created_at = NOW - 1999;
    REPORT(FAILS("r1", "not-authorised", "not yet"));
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, NOW + 1);
    row.created_at = NOW - 2000;
    assert_state(STATE_FAILED, "not-authorised", "not yet");
    assert_int_equal(state_now.next, 0);
    row.created_at = NOW;
    report(NULL, 0);
    input.target_count = 0;
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, NOW + 2000);
}

/* Replicas need a moment to come back to a registry that was away. */
static void a_young_registry_is_waited_for(void **state)
{
    (void)state;
    report(NULL, 0);
    input.uptime = 0;
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, NOW + 2000);
    row.created_at = NOW - 1500;
    input.uptime = 1000;
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, NOW + 1000);
    input.uptime = 2000;
    assert_state(STATE_WAITING, NULL, "");
    assert_int_equal(state_now.next, NOW + 500);
    row.created_at = NOW - 2000;
    assert_state(STATE_FAILED, "no-replica", "shop has no replica that runs: start its sidecar");
}

static void a_clock_that_is_set_back_makes_nothing_stick(void **state)
{
    (void)state;
    row.created_at = NOW + 3600000;
    report(NULL, 0);
    assert_state(STATE_FAILED, "no-replica", "shop has no replica that runs: start its sidecar");
}

static void who_is_missing_is_told(void **state)
{
    (void)state;
    report(NULL, 0);
    assert_state(STATE_FAILED, "no-replica", "shop has no replica that runs: start its sidecar");
    input.target_count = 0;
    assert_state(STATE_FAILED, "no-replica",
                 "neither shop nor mysql has a replica that runs: start their sidecars");
    REPORT(FAILS("r1", "unreachable", "timed out")); /* that is why */
    assert_state(STATE_FAILED, "no-replica", "mysql has no replica that runs: start its sidecar");
    REPORT(SILENT("r1"));
    assert_state(STATE_FAILED, "no-replica", "mysql has no replica that runs: start its sidecar");
}

/* Whatever is still reported of it. */
static void what_is_being_removed_is_terminated(void **state)
{
    (void)state;
    row.removing = true;
    assert_state(STATE_TERMINATED, NULL, "");
    row.created_at = NOW;
    REPORT(FAILS("r1", "unreachable", "timed out"));
    assert_state(STATE_TERMINATED, NULL, "");
    report(NULL, 0);
    input.target_count = 0;
    assert_state(STATE_TERMINATED, NULL, "");
    assert_int_equal(state_now.next, 0);
    input.unreleased = 1;
    assert_state(STATE_TERMINATED, NULL, "1 replica has yet to let go of it");
    input.unreleased = 2;
    assert_state(STATE_TERMINATED, NULL, "2 replicas have yet to let go of it");
}

static void a_row_goes_when_everybody_let_go(void **state)
{
    (void)state;
    assert_false(state_may_go(&input));
    row.removing = true;
    assert_true(state_may_go(&input));
    input.unreleased = 1;
    assert_false(state_may_go(&input));
}

static void a_long_detail_is_cut(void **state)
{
    char detail[2000];

    (void)state;
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    REPORT(FAILS("r1", "unreachable", detail), SILENT("r2"));
    state_derive(&input, &state_now);
    assert_int_equal(strlen(state_now.detail.text), sizeof state_now.detail.text - 1);
}

static void words_are_read_as_they_are_written(void **state)
{
    enum state_status status;

    (void)state;
    for (int i = STATE_WAITING; i <= STATE_TERMINATED; i++) {
        assert_int_equal(state_status_parse(state_status_text((enum state_status)i), &status), 0);
        assert_int_equal(status, i);
    }
    assert_int_equal(state_status_parse("waiting", &status), -1);
    assert_int_equal(state_status_parse("", &status), -1);
    assert_string_equal(state_reason("no-replica"), STATE_NO_REPLICA);
    assert_string_equal(state_reason("interface-withdrawn"), STATE_INTERFACE_WITHDRAWN);
    assert_null(state_reason("because"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest states[] = {
        TEST(established_when_its_source_says_so),
        TEST(established_needs_no_time_and_no_word_of_the_target),
        TEST(established_only_when_every_source_says_so),
        TEST(a_replica_that_has_not_spoken_is_waited_for),
        TEST(a_failure_has_its_reason_and_sentence),
        TEST(the_first_failure_of_several_is_told),
        TEST(a_young_row_is_waited_for),
        TEST(a_young_registry_is_waited_for),
        TEST(a_clock_that_is_set_back_makes_nothing_stick),
        TEST(who_is_missing_is_told),
        TEST(what_is_being_removed_is_terminated),
        TEST(a_row_goes_when_everybody_let_go),
        TEST(a_long_detail_is_cut),
        TEST(words_are_read_as_they_are_written),
    };

    return cmocka_run_group_tests(states, NULL, NULL);
}
