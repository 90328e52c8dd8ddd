#include "appnet/registry/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/loop.h"
#include "registry_support.h"

#define ID "c-0123456789ab"

/* How far the clock on the wall has been set. */
static time_t set_by;

/* In place of the C library's. */
int clock_gettime(clockid_t which, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, which, out);

    if (rc == 0 && which == CLOCK_REALTIME) {
        out->tv_sec += set_by;
    }
    return rc;
}

struct bench {
    struct loop *loop;
    struct mesh *mesh;
    struct presence *presence;
    struct standings *standings;
    unsigned changes, releases;
};

static void on_presence(void *argument, const char *instance)
{
    (void)argument;
    (void)instance;
}

static void on_changed(void *argument, const struct model_connection *connection,
                       const struct state *state)
{
    struct bench *bench = argument;

    (void)connection;
    (void)state;
    bench->changes++;
}

static void on_released(void *argument, const struct model_connection *connection)
{
    struct bench *bench = argument;

    assert_string_equal(connection->id, ID);
    bench->releases++;
}

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    const struct standings_events events = {on_changed, on_released, bench};
    struct event_base *base;

    set_by = 0;
    bench->loop = loop_new("test", NULL);
    base = loop_base(bench->loop);
    bench->mesh = mesh_new();
    support_put_instance(bench->mesh, "shop", "db!");
    support_put_instance(bench->mesh, "mysql", "sql:3306");
    support_put_connection(bench->mesh, ID, "shop.db mysql.sql");
    bench->presence = presence_new(base, 15, on_presence, bench);
    bench->standings = standings_new(base, bench->mesh, bench->presence, &events);
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;

    standings_free(bench->standings);
    presence_free(bench->presence);
    mesh_free(bench->mesh);
    loop_free(bench->loop);
    free(bench);
    return 0;
}

static void turn_for(struct bench *bench, int milliseconds)
{
    int64_t until = loop_now() + (int64_t)milliseconds * 1000;

    while (loop_now() < until) {
        event_base_loop(loop_base(bench->loop), EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

/* ---- sources ---- */

static void report(struct bench *bench, int number, const char *status)
{
    char id[REPLICA_ID_SIZE];
    struct replica *replica;
    json_t *body = json_pack("{s:[{s:s, s:s, s:s, s:s}], s:[]}", "connections", "id", ID, "role",
                             "source", "status", status, "reason", "unreachable", "inbounds");

    snprintf(id, sizeof id, "%016d", number);
    replica = presence_replica(bench->presence, "shop", id);
    assert_non_null(replica);
    presence_watch(bench->presence, replica, true);
    presence_declare(replica, support_instance("shop", "db!"));
    assert_int_equal(presence_report(replica, body, NULL), 0);
    json_decref(body);
    standings_look_at(bench->standings, "shop");
}

static enum state_status status_of(const struct bench *bench)
{
    return standings_of(bench->standings, ID)->status;
}

static void one_source_of_many_that_fails_shows(void **state)
{
    static const int some[] = {0, 70, 98, 99};
    struct bench *bench = *state;

    for (int i = 0; i < 100; i++) {
        report(bench, i, "ESTABLISHED");
    }
    assert_int_equal(status_of(bench), STATE_ESTABLISHED);
    turn_for(bench, STATE_GRACE_MS + 100);
    support_put_instance(bench->mesh, "mysql", "sql:3306");
    presence_watch(bench->presence, presence_replica(bench->presence, "mysql", "0123456789abcdef"),
                   true);
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        report(bench, some[i], "WAITING");
        assert_int_equal(status_of(bench), STATE_WAITING);
        report(bench, some[i], "FAILED");
        assert_int_equal(status_of(bench), STATE_FAILED);
        report(bench, 99 - some[i], "WAITING");
        assert_int_equal(status_of(bench), STATE_FAILED);
        report(bench, 99 - some[i], "ESTABLISHED");
        report(bench, some[i], "ESTABLISHED");
        assert_int_equal(status_of(bench), STATE_ESTABLISHED);
    }
}

/* ---- removal ---- */

/* A release that the store could not make is told again, also when the clock was set meanwhile. */
static void release_is_told_again_until_the_row_is_gone(void **state)
{
    static const int64_t set[] = {0, -3600, 7200};
    struct model_connection row = support_connection(ID, "shop.db mysql.sql");
    struct bench *bench = *state;
    unsigned before;

    row.removing = true;
    row.revision = 5;
    standings_look(bench->standings, mesh_put_connection(bench->mesh, &row));
    turn_for(bench, 2500);
    assert_in_range(bench->releases, 1, 2);
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        set_by += set[i];
        before = bench->releases;
        turn_for(bench, 2000);
        assert_in_range(bench->releases, before + 1, before + 2);
    }
}

int main(void)
{
    const struct CMUnitTest standing[] = {
        cmocka_unit_test_setup_teardown(one_source_of_many_that_fails_shows, begin, end),
        cmocka_unit_test_setup_teardown(release_is_told_again_until_the_row_is_gone, begin, end),
    };

    return cmocka_run_group_tests(standing, NULL, NULL);
}
