#include "appnet/registry/presence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/loop.h"
#include "support.h"

#define LEASE 3 /* seconds */

struct bench {
    struct loop *loop;
    struct presence *presence;
    struct replica *replica;
    unsigned changes;
};

static void on_changed(void *argument, const char *instance)
{
    struct bench *bench = argument;

    assert_string_equal(instance, "shop");
    bench->changes++;
}

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    bench->loop = loop_new("test", NULL);
    bench->presence = presence_new(loop_base(bench->loop), LEASE, on_changed, bench);
    bench->replica = presence_replica(bench->presence, "shop", "0123456789abcdef");
    presence_watch(bench->presence, bench->replica, true);
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;

    presence_free(bench->presence);
    loop_free(bench->loop);
    free(bench);
    return 0;
}

/* ---- reports ---- */

static void make_id(char out[MODEL_CONNECTION_ID_SIZE], int number)
{
    snprintf(out, MODEL_CONNECTION_ID_SIZE, "c-%012d", number);
}

/* Of as many connections as target, and behind them as source. */
static json_t *make_report(int targets, int sources)
{
    json_t *list = json_array();
    char id[MODEL_CONNECTION_ID_SIZE];

    for (int i = 0; i < targets + sources; i++) {
        json_t *entry;
        make_id(id, i);
        entry = json_pack("{s:s, s:s, s:i}", "id", id, "role", i < targets ? "target" : "source",
                          "streams", 7);
        if (i >= targets) {
            json_object_set_new(entry, "status", json_string("ESTABLISHED"));
        }
        json_array_append_new(list, entry);
    }
    return json_pack("{s:s, s:i, s:o}", "advertise", "10.0.0.5:15008", "revision", 12,
                     "connections", list);
}

static int report(struct bench *bench, json_t *body, struct error *err)
{
    int rc = presence_report(bench->replica, body, err);

    json_decref(body);
    return rc;
}

static const struct replica_report *report_of(const struct bench *bench, int number)
{
    char id[MODEL_CONNECTION_ID_SIZE];

    make_id(id, number);
    return replica_report_of(bench->replica, id);
}

/* An inbound takes any number of connections: rule 4. */
static void a_target_of_many_connections_reports(void **state)
{
    struct bench *bench = *state;
    struct error err = ERROR_INIT;

    if (report(bench, make_report(5000, 2), &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(bench->replica->address, "10.0.0.5:15008");
    assert_int_equal(bench->replica->applied, 12);
    assert_non_null(report_of(bench, 5000));
    assert_int_equal(report_of(bench, 5001)->status, STATE_ESTABLISHED);
    assert_int_equal(report_of(bench, 5001)->streams, 7);
    assert_null(report_of(bench, 4999));
    assert_null(report_of(bench, 5002));
}

static void what_is_wrong_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "{}",
        "{\"connections\": {}}",
        "{\"connections\": [7]}",
        "{\"connections\": [{\"id\": \"c-000000000000\"}]}",
        "{\"connections\": [{\"id\": \"c-000000000000\", \"role\": \"both\"}]}",
        "{\"connections\": [{\"id\": \"c-0\", \"role\": \"target\"}]}",
        "{\"connections\": [{\"id\": \"c-000000000000\", \"role\": \"source\"}]}",
        ("{\"connections\": [{\"id\": \"c-000000000000\", \"role\": \"source\", \"status\": "
         "\"TERMINATED\"}]}"),
    };
    struct bench *bench = *state;
    struct error err = ERROR_INIT;

    assert_int_equal(report(bench, make_report(0, 1), &err), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(report(bench, json_loads(wrong[i], 0, NULL), &err), -1);
        assert_memory_equal(err.text, "connections: ", 13);
    }
    assert_int_equal(report(bench, make_report(0, 2001), &err), -1);
    assert_string_equal(err.text, "connections: expected at most 2000 of a source");
    assert_non_null(report_of(bench, 0));
    assert_int_equal(bench->replica->applied, 12);
}

static void assert_shows(const char *text)
{
    json_t *shown = json_string(text);

    assert_non_null(shown);
    json_decref(shown);
}

/* Half a character would be no JSON, and the replica would not show in any list. */
static void long_texts_are_cut_between_characters(void **state)
{
    struct bench *bench = *state;
    char text[2 * ERROR_TEXT_SIZE + 2] = "x";
    json_t *body;

    for (int i = 0; i < 2; i++) { /* an odd place of the cut, and an even one */
        while (strlen(text) + 2 < sizeof text) {
            strcat(text, "\xc3\xa9");
        }
        body = make_report(0, 1);
        json_object_set_new(body, "version", json_string(text + i));
        json_object_set_new(body, "certificate", json_pack("{s:s}", "not_after", text + i));
        json_object_set_new(json_array_get(json_object_get(body, "connections"), 0), "detail",
                            json_string(text + i));
        assert_int_equal(report(bench, body, NULL), 0);
        assert_shows(bench->replica->version);
        assert_shows(bench->replica->certificate_not_after);
        assert_shows(report_of(bench, 0)->detail);
    }
}

/* ---- a watch that ends, and comes again ---- */

static void turn_for(struct bench *bench, int milliseconds)
{
    int64_t until = loop_now() + (int64_t)milliseconds * 1000;

    while (loop_now() < until) {
        event_base_loop(loop_base(bench->loop), EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

/* A replica that was away may have been started anew: what it said before is not what it measures
 * now. */
static void what_was_said_before_an_absence_does_not_count(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(report(bench, make_report(0, 1), NULL), 0);
    presence_watch(bench->presence, bench->replica, false);
    turn_for(bench, 300);
    presence_watch(bench->presence, bench->replica, true);
    assert_non_null(report_of(bench, 0)); /* back at once: it has not missed a thing */

    presence_watch(bench->presence, bench->replica, false);
    turn_for(bench, 1500);
    assert_false(bench->replica->live);
    assert_non_null(report_of(bench, 0));
    presence_watch(bench->presence, bench->replica, true);
    assert_true(bench->replica->live);
    assert_null(report_of(bench, 0));
    assert_int_equal(bench->replica->applied, 12); /* what it let go of, it does not use */
    assert_int_equal(report(bench, make_report(0, 1), NULL), 0);
    assert_non_null(report_of(bench, 0));
}

/* ---- silence ---- */

/* A process that hangs keeps its connection open. */
static void a_lease_ends_though_the_watch_is_open(void **state)
{
    struct bench *bench = *state;

    turn_for(bench, LEASE * 1000 / 2);
    assert_int_equal(report(bench, make_report(0, 1), NULL), 0);
    turn_for(bench, LEASE * 1000 * 3 / 4);
    assert_true(bench->replica->live);
    bench->changes = 0;
    turn_for(bench, LEASE * 1000 / 2 + 300);
    assert_false(bench->replica->live);
    assert_true(bench->replica->silent);
    assert_int_equal(bench->changes, 1);
    assert_int_equal(presence_count(bench->presence), 1);

    /* it goes on */
    assert_int_equal(report(bench, make_report(0, 1), NULL), 0);
    assert_false(bench->replica->silent);
    turn_for(bench, 300);
    assert_true(bench->replica->live);
    assert_int_equal(bench->changes, 2);
    turn_for(bench, LEASE * 1000 + 300);
    assert_false(bench->replica->live);
    presence_watch(bench->presence, bench->replica, false);
    turn_for(bench, LEASE * 1000 + 300);
    assert_int_equal(presence_count(bench->presence), 0);
}

/* Who does not listen does not hear. */
static void nobody_is_silent_while_the_registry_hangs(void **state)
{
    struct bench *bench = *state;

    turn_for(bench, 300);
    sleep(LEASE + 1);
    bench->changes = 0;
    turn_for(bench, 300);
    assert_true(bench->replica->live);
    assert_int_equal(bench->changes, 0);
    turn_for(bench, LEASE * 1000);
    assert_false(bench->replica->live);
}

int main(void)
{
    const struct CMUnitTest presence[] = {
        cmocka_unit_test_setup_teardown(a_target_of_many_connections_reports, begin, end),
        cmocka_unit_test_setup_teardown(what_is_wrong_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_between_characters, begin, end),
        cmocka_unit_test_setup_teardown(what_was_said_before_an_absence_does_not_count, begin, end),
        cmocka_unit_test_setup_teardown(a_lease_ends_though_the_watch_is_open, begin, end),
        cmocka_unit_test_setup_teardown(nobody_is_silent_while_the_registry_hangs, begin, end),
    };

    return cmocka_run_group_tests(presence, NULL, NULL);
}
