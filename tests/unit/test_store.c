/* One suite that every kind of store passes. */
#include "appnet/registry/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_support.h"
#include "support.h"

static const char *where; /* the store that the suite is run for */

static struct keeper keeper;

#define INSTANCE(expected, name, words) support_put_instance_change(expected, name, words)
#define CONNECTION(expected, id, ends) support_put_connection_change(expected, id, ends)
#define TOKEN(expected, id, uses_left) support_put_token_change(expected, id, uses_left)
#define CHECK(change) support_check(change)
#define DELETE(change) support_delete(change)
#define COMMIT(...) SUPPORT_COMMIT(&keeper, __VA_ARGS__)

#define ID_1 "c-aaaaaaaaaaaa"
#define ID_2 "c-bbbbbbbbbbbb"

static int set_up(void **state)
{
    (void)state;
    unlink("test.db");
    unlink("test.db-wal");
    unlink("test.db-shm");
    support_open_store(&keeper, where);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_close_store(&keeper);
    return 0;
}

static int64_t assert_done(struct store_result result)
{
    assert_string_equal(result.why.text, "");
    assert_int_equal(result.outcome, STORE_DONE);
    return result.revision;
}

static void assert_conflict(struct store_result result, unsigned number, const char *why)
{
    assert_int_equal(result.outcome, STORE_CONFLICT);
    assert_int_equal(result.conflict, number);
    assert_string_equal(result.why.text, why);
}

static void assert_rows(size_t instances, size_t connections, size_t tokens)
{
    struct mesh *mesh = support_load(&keeper, NULL);

    assert_int_equal(mesh_instance_count(mesh), instances);
    assert_int_equal(mesh_connection_count(mesh), connections);
    assert_int_equal(mesh_token_count(mesh), tokens);
    mesh_free(mesh);
}

/* Two instances to connect. Returns the revision. */
static int64_t begin_with_shop_and_mysql(void)
{
    return assert_done(COMMIT(INSTANCE(STORE_ABSENT, "shop", "db! cache http:80"),
                              INSTANCE(STORE_ABSENT, "mysql", "sql:3306 log")));
}

/* ---- rows ---- */

static void is_empty_at_first(void **state)
{
    int64_t revision;
    struct mesh *mesh = support_load(&keeper, &revision);

    (void)state;
    assert_int_equal(revision, 0);
    assert_null(mesh_next_instance(mesh, NULL));
    assert_null(mesh_next_connection(mesh, NULL));
    assert_null(mesh_next_token(mesh, NULL));
    mesh_free(mesh);
}

static void keeps_all_of_an_instance(void **state)
{
    struct store_change change = INSTANCE(STORE_ABSENT, "shop", "http:80 db! admin:65535 cache");
    struct model_instance *row = (struct model_instance *)change.row.instance;
    const struct model_instance *kept;
    struct mesh *mesh;

    (void)state;
    row->created_at = 253402300799; /* the year 9999 */
    row->applied = false;
    row->removing = true;
    model_name_set(row->interfaces[0].rule, "for everybody \xc3\xa4'\"");
    assert_int_equal(assert_done(COMMIT(change)), 1);
    mesh = support_load(&keeper, NULL);
    kept = mesh_instance(mesh, "shop");
    assert_int_equal(kept->created_at, 253402300799);
    assert_false(kept->applied);
    assert_true(kept->removing);
    assert_int_equal(kept->revision, 1);
    assert_int_equal(kept->interface_count, 4);
    for (unsigned i = 0; i < 4; i++) { /* in their order too */
        assert_string_equal(kept->interfaces[i].name, row->interfaces[i].name);
    }
    assert_true(model_interfaces_equal(kept, row));
    mesh_free(mesh);
}

static void keeps_all_of_a_connection(void **state)
{
    struct store_change change = CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql");
    const struct model_connection *kept;
    struct mesh *mesh;

    (void)state;
    begin_with_shop_and_mysql();
    ((struct model_connection *)change.row.connection)->removing = true;
    assert_int_equal(assert_done(COMMIT(change)), 2);
    mesh = support_load(&keeper, NULL);
    kept = mesh_connection(mesh, ID_1);
    assert_string_equal(kept->source, "shop");
    assert_string_equal(kept->outbound, "db");
    assert_string_equal(kept->target, "mysql");
    assert_string_equal(kept->inbound, "sql");
    assert_int_equal(kept->created_at, 1790000000123);
    assert_true(kept->removing);
    assert_int_equal(kept->revision, 2);
    mesh_free(mesh);
}

static void keeps_all_of_a_token(void **state)
{
    struct store_change change = TOKEN(STORE_ABSENT, "token1234567", 4);
    const struct model_token *kept;
    struct mesh *mesh;

    (void)state;
    assert_done(COMMIT(change));
    mesh = support_load(&keeper, NULL);
    kept = mesh_token(mesh, "token1234567");
    assert_memory_equal(kept->hash, change.row.token->hash, MODEL_HASH_SIZE);
    assert_string_equal(kept->instance, "shop");
    assert_int_equal(kept->created_at, 1790000000);
    assert_int_equal(kept->expires_at, 1790000900);
    assert_int_equal(kept->uses, 5);
    assert_int_equal(kept->uses_left, 4);
    assert_int_equal(kept->revision, 1);
    mesh_free(mesh);
}

static void a_row_is_replaced_whole(void **state)
{
    struct mesh *mesh;

    (void)state;
    begin_with_shop_and_mysql();
    assert_done(COMMIT(INSTANCE(1, "shop", "cache:11211 http:8080 new!")));
    assert_done(COMMIT(TOKEN(STORE_ABSENT, "a", 2)));
    assert_done(COMMIT(TOKEN(3, "a", 1)));
    mesh = support_load(&keeper, NULL);
    const struct model_instance *shop = mesh_instance(mesh, "shop");
    assert_int_equal(shop->interface_count, 3);
    assert_null(model_interface_find(shop, "db"));
    assert_int_equal(model_interface_find(shop, "cache")->direction, MODEL_INBOUND);
    assert_int_equal(model_interface_find(shop, "http")->port, 8080);
    assert_true(model_interface_find(shop, "new")->required);
    assert_int_equal(shop->revision, 2);
    assert_int_equal(mesh_instance(mesh, "mysql")->revision, 1);
    assert_int_equal(mesh_token(mesh, "a")->uses_left, 1);
    assert_int_equal(mesh_token(mesh, "a")->revision, 4);
    mesh_free(mesh);
}

static void rows_go(void **state)
{
    (void)state;
    begin_with_shop_and_mysql();
    assert_done(
        COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql"), TOKEN(STORE_ABSENT, "a", 1)));
    assert_rows(2, 1, 1);
    assert_done(COMMIT(DELETE(TOKEN(2, "a", 1))));
    assert_done(COMMIT(DELETE(CONNECTION(2, "", "shop.db x.x")), DELETE(INSTANCE(1, "mysql", "")),
                       DELETE(INSTANCE(1, "shop", ""))));
    assert_rows(0, 0, 0);
    /* and come again */
    begin_with_shop_and_mysql();
    assert_rows(2, 0, 0);
}

/* ---- revisions and preconditions ---- */

static void each_commit_gets_the_next_revision(void **state)
{
    int64_t revision;

    (void)state;
    assert_int_equal(assert_done(COMMIT(TOKEN(STORE_ABSENT, "a", 1))), 1);
    assert_int_equal(assert_done(COMMIT(TOKEN(STORE_ABSENT, "b", 1), TOKEN(1, "a", 1))), 2);
    assert_int_equal(COMMIT(TOKEN(STORE_ABSENT, "b", 1)).revision, 2); /* a conflict takes none */
    assert_int_equal(assert_done(COMMIT(CHECK(TOKEN(2, "a", 1)))), 3);
    assert_int_equal(assert_done(support_commit(&keeper, NULL, 0)), 4);
    assert_int_equal(assert_done(COMMIT(DELETE(TOKEN(2, "a", 1)))), 5);
    mesh_free(support_load(&keeper, &revision));
    assert_int_equal(revision, 5);
}

static void a_row_that_must_not_be_there(void **state)
{
    (void)state;
    begin_with_shop_and_mysql();
    assert_done(
        COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql"), TOKEN(STORE_ABSENT, "a", 1)));
    assert_conflict(COMMIT(INSTANCE(STORE_ABSENT, "shop", "")), 0,
                    "instance shop is there already");
    assert_conflict(COMMIT(CONNECTION(STORE_ABSENT, ID_2, "shop.db mysql.sql")), 0,
                    "the connection of outbound db of shop is there already");
    assert_conflict(COMMIT(TOKEN(STORE_ABSENT, "b", 1), TOKEN(STORE_ABSENT, "a", 1)), 1,
                    "join token a is there already");
    assert_conflict(COMMIT(CHECK(TOKEN(STORE_ABSENT, "a", 1))), 0, "join token a is there already");
    assert_done(COMMIT(CHECK(TOKEN(STORE_ABSENT, "c", 1))));
    assert_done(COMMIT(DELETE(TOKEN(STORE_ABSENT, "c", 1))));
    assert_rows(2, 1, 1);
}

static void a_row_that_must_be_as_it_was(void **state)
{
    (void)state;
    begin_with_shop_and_mysql();
    assert_done(COMMIT(INSTANCE(1, "shop", "db"), TOKEN(STORE_ABSENT, "a", 1)));
    assert_conflict(COMMIT(INSTANCE(1, "shop", "")), 0,
                    "instance shop was changed meanwhile: its revision is 2, not 1");
    assert_conflict(COMMIT(TOKEN(2, "a", 0), DELETE(INSTANCE(1, "shop", ""))), 1,
                    "instance shop was changed meanwhile: its revision is 2, not 1");
    assert_conflict(COMMIT(TOKEN(2, "a", 0), CHECK(INSTANCE(1, "shop", ""))), 1,
                    "instance shop was changed meanwhile: its revision is 2, not 1");
    assert_conflict(COMMIT(INSTANCE(1, "nobody", "")), 0, "instance nobody is not there any more");
    assert_conflict(COMMIT(DELETE(CONNECTION(1, "", "shop.db mysql.sql"))), 0,
                    "the connection of outbound db of shop is not there any more");
    assert_conflict(COMMIT(CHECK(TOKEN(1, "b", 1))), 0, "join token b is not there any more");
    assert_done(COMMIT(CHECK(INSTANCE(1, "mysql", "")), CHECK(INSTANCE(2, "shop", "")),
                       CHECK(TOKEN(2, "a", 1)), TOKEN(2, "a", 0)));
}

static void a_row_that_may_be_anything(void **state)
{
    (void)state;
    assert_done(COMMIT(TOKEN(STORE_ANY, "a", 1), CHECK(TOKEN(STORE_ANY, "b", 1)),
                       DELETE(TOKEN(STORE_ANY, "c", 1)), DELETE(INSTANCE(STORE_ANY, "c", "")),
                       DELETE(CONNECTION(STORE_ANY, "", "a.b c.d"))));
    assert_done(COMMIT(TOKEN(STORE_ANY, "a", 0), DELETE(TOKEN(STORE_ANY, "a", 0))));
    assert_rows(0, 0, 0);
}

/* Also of a commit that got far. */
static void a_conflict_leaves_nothing_behind(void **state)
{
    struct mesh *mesh;
    int64_t revision;

    (void)state;
    begin_with_shop_and_mysql();
    assert_done(
        COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql"), TOKEN(STORE_ABSENT, "a", 3)));
    assert_conflict(COMMIT(INSTANCE(1, "shop", "db more"), INSTANCE(STORE_ABSENT, "new", "a b:1"),
                           TOKEN(2, "a", 0), DELETE(CONNECTION(2, "", "shop.db mysql.sql")),
                           CONNECTION(STORE_ABSENT, ID_2, "shop.more mysql.sql"),
                           DELETE(INSTANCE(STORE_ANY, "new", "")), TOKEN(STORE_ABSENT, "b", 1),
                           DELETE(TOKEN(3, "a", 1)), CHECK(INSTANCE(7, "mysql", ""))),
                    8, "instance mysql was changed meanwhile: its revision is 1, not 7");
    mesh = support_load(&keeper, &revision);
    assert_int_equal(revision, 2);
    assert_int_equal(mesh_instance_count(mesh), 2);
    assert_int_equal(mesh_instance(mesh, "shop")->interface_count, 3);
    assert_int_equal(mesh_instance(mesh, "shop")->revision, 1);
    assert_int_equal(mesh_connection_count(mesh), 1);
    assert_int_equal(mesh_connection(mesh, ID_1)->revision, 2);
    assert_int_equal(mesh_token_count(mesh), 1);
    assert_int_equal(mesh_token(mesh, "a")->uses_left, 3);
    assert_int_equal(mesh_token(mesh, "a")->revision, 2);
    mesh_free(mesh);
}

/* A later change sees what an earlier one of the same commit made. */
static void changes_are_made_one_after_the_other(void **state)
{
    (void)state;
    assert_done(COMMIT(INSTANCE(STORE_ABSENT, "shop", "db"),
                       INSTANCE(STORE_ABSENT, "mysql", "sql:3306"),
                       CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql"),
                       CHECK(CONNECTION(1, "", "shop.db mysql.sql")),
                       DELETE(CONNECTION(1, "", "shop.db mysql.sql")),
                       CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql")));
    assert_rows(2, 1, 0);
}

/* ---- what the store itself holds ---- */

static void an_outbound_has_one_connection(void **state)
{
    struct mesh *mesh;

    (void)state;
    begin_with_shop_and_mysql();
    assert_done(COMMIT(INSTANCE(STORE_ABSENT, "pg", "sql:5432")));
    assert_done(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql")));
    /* there is no way to a second one, only to another in its place */
    assert_done(COMMIT(CONNECTION(STORE_ANY, ID_2, "shop.db pg.sql")));
    mesh = support_load(&keeper, NULL);
    assert_int_equal(mesh_connection_count(mesh), 1);
    assert_string_equal(mesh_connection_of(mesh, "shop", "db")->target, "pg");
    assert_null(mesh_connection(mesh, ID_1));
    mesh_free(mesh);
}

#define UNFIT " needs an id of its own, and an outbound and an inbound of two instances"

static void an_id_has_one_connection(void **state)
{
    (void)state;
    begin_with_shop_and_mysql();
    assert_done(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql")));
    assert_conflict(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.cache mysql.sql")), 0,
                    "the connection of outbound cache of shop" UNFIT);
    assert_done(COMMIT(CONNECTION(2, ID_1, "shop.db mysql.sql")));
    assert_rows(2, 1, 0);
}

static void a_connection_has_both_its_ends(void **state)
{
    static const char *const wrong[] = {
        "shop.db nobody.sql", "shop.db mysql.nothing", /* not there */
        "shop.db mysql.log",                           /* an outbound */
        "shop.db shop.http",                           /* of the same instance */
    };

    (void)state;
    begin_with_shop_and_mysql();
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_conflict(COMMIT(CONNECTION(STORE_ABSENT, ID_1, wrong[i])), 0,
                        "the connection of outbound db of shop" UNFIT);
    }
    assert_conflict(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.http mysql.sql")), 0,
                    "the connection of outbound http of shop" UNFIT);
    assert_conflict(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "nobody.db mysql.sql")), 0,
                    "the connection of outbound db of nobody" UNFIT);
    assert_rows(2, 0, 0);
}

static void what_is_connected_stays(void **state)
{
    (void)state;
    begin_with_shop_and_mysql();
    assert_done(COMMIT(CONNECTION(STORE_ABSENT, ID_1, "shop.db mysql.sql")));
    assert_conflict(COMMIT(DELETE(INSTANCE(1, "shop", ""))), 0,
                    "instance shop has interfaces that are connected, and cannot lose them");
    assert_conflict(COMMIT(DELETE(INSTANCE(1, "mysql", ""))), 0,
                    "instance mysql has interfaces that are connected, and cannot lose them");
    assert_conflict(COMMIT(INSTANCE(1, "shop", "cache http:80")), 0,
                    "instance shop has interfaces that are connected, and cannot lose them");
    assert_conflict(COMMIT(INSTANCE(1, "shop", "db:1 cache http:80")), 0,
                    "instance shop has interfaces that are connected, and cannot lose them");
    assert_conflict(COMMIT(INSTANCE(1, "mysql", "sql")), 0,
                    "instance mysql has interfaces that are connected, and cannot lose them");
    assert_done(COMMIT(INSTANCE(1, "mysql", "sql:3307"), INSTANCE(1, "shop", "db")));
    assert_done(COMMIT(DELETE(CONNECTION(2, "", "shop.db mysql.sql")),
                       DELETE(INSTANCE(3, "shop", "")), INSTANCE(3, "mysql", "")));
    assert_rows(1, 0, 0);
}

/* ---- callers ---- */

static void the_caller_may_forget_its_rows(void **state)
{
    struct store_change change = INSTANCE(STORE_ABSENT, "shop", "db! http:80");
    struct model_instance *row = model_instance_copy(change.row.instance);
    struct mesh *mesh;

    (void)state;
    change.row.instance = row;
    store_commit(keeper.store, &change, 1, NULL, NULL);
    row->interfaces[0].name[0] = 'x';
    memset(row->name, 'x', 3);
    model_instance_free(row);
    mesh = support_load(&keeper, NULL);
    assert_non_null(model_interface_find(mesh_instance(mesh, "shop"), "db"));
    mesh_free(mesh);
}

struct tally {
    unsigned outcomes[3];
    unsigned answers;
    unsigned stop_at;
    int64_t last;
    bool in_order;
    pthread_t thread;
};

static void count_answer(void *argument, const struct store_result *result)
{
    struct tally *tally = argument;

    tally->outcomes[result->outcome]++;
    tally->in_order = tally->in_order && result->revision >= tally->last;
    tally->last = result->revision;
    tally->thread = pthread_self();
    if (++tally->answers == tally->stop_at) {
        loop_stop(keeper.loop);
    }
}

static void answers_come_in_order_on_the_loops_thread(void **state)
{
    struct tally tally = {.stop_at = 1000, .in_order = true};
    struct store_change change = TOKEN(STORE_ANY, "a", 1);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        store_commit(keeper.store, &change, 1, count_answer, &tally);
    }
    assert_int_equal(tally.answers, 0); /* none from within the call */
    assert_int_equal(loop_run(keeper.loop), 0);
    assert_int_equal(tally.outcomes[STORE_DONE], 1000);
    assert_true(tally.in_order);
    assert_int_equal(tally.last, 1000);
    assert_true(pthread_equal(tally.thread, pthread_self()));
}

/* Conflicts among commits that share a batch hurt only themselves. */
static void neighbours_do_not_matter(void **state)
{
    struct tally tally = {.stop_at = 300, .in_order = true};

    (void)state;
    begin_with_shop_and_mysql();
    for (unsigned i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%u", i);
        struct store_change changes[] = {TOKEN(STORE_ABSENT, id, 1),
                                         CONNECTION(STORE_ABSENT, id, "shop.db mysql.sql")};
        store_commit(keeper.store, changes, 1, count_answer, &tally);     /* made */
        store_commit(keeper.store, changes, 2, count_answer, &tally);     /* never */
        store_commit(keeper.store, &changes[1], 1, count_answer, &tally); /* once */
    }
    assert_int_equal(loop_run(keeper.loop), 0);
    assert_int_equal(tally.outcomes[STORE_DONE], 101);
    assert_int_equal(tally.outcomes[STORE_CONFLICT], 199);
    assert_true(tally.in_order);
    assert_int_equal(tally.last, 102);
    assert_rows(2, 1, 100);
}

#define RACERS 8
#define RACES 25

static struct tally race;

static void *run_race(void *argument)
{
    unsigned racer = *(unsigned *)argument;

    for (unsigned i = 0; i < RACES; i++) {
        struct model_connection row = support_connection("", "shop.db mysql.sql");
        struct store_change change = {.act = STORE_PUT,
                                      .kind = STORE_CONNECTION,
                                      .expected = STORE_ABSENT,
                                      .row.connection = &row};
        snprintf(row.id, sizeof row.id, "c-%012u", racer * RACES + i);
        store_commit(keeper.store, &change, 1, count_answer, &race);
    }
    return NULL;
}

static void one_of_two_hundred_racers_wins(void **state)
{
    pthread_t threads[RACERS];
    unsigned numbers[RACERS];

    (void)state;
    begin_with_shop_and_mysql();
    race = (struct tally){.stop_at = RACERS * RACES, .in_order = true};
    for (unsigned i = 0; i < RACERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &numbers[i]), 0);
    }
    assert_int_equal(loop_run(keeper.loop), 0);
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(race.outcomes[STORE_DONE], 1);
    assert_int_equal(race.outcomes[STORE_CONFLICT], 199);
    assert_int_equal(race.last, 2);
    assert_rows(2, 1, 0);
}

static void nobody_else_changes_it(void **state)
{
    (void)state;
    store_watch(keeper.store, NULL, NULL);
    assert_done(COMMIT(TOKEN(STORE_ABSENT, "a", 1)));
}

/* ---- the end ---- */

static void what_was_committed_is_finished_at_the_end(void **state)
{
    struct tally tally = {.in_order = true};
    struct store_change change = TOKEN(STORE_ANY, "a", 1);

    (void)state;
    for (unsigned i = 0; i < 700; i++) {
        store_commit(keeper.store, &change, 1, count_answer, &tally);
    }
    store_close(keeper.store);
    assert_int_equal(tally.outcomes[STORE_DONE], 700);
    assert_int_equal(tally.last, 700);
    loop_drain(keeper.loop); /* nothing is called twice */
    assert_int_equal(tally.answers, 700);
    loop_free(keeper.loop);
    support_open_store(&keeper, where);
}

static void commit_again(void *argument, const struct store_result *result)
{
    struct tally *tally = argument;
    struct store_change change = TOKEN(STORE_ANY, "b", 1);

    assert_int_equal(result->outcome, STORE_DONE);
    store_commit(keeper.store, &change, 1, count_answer, tally);
}

static void what_comes_after_the_end_fails(void **state)
{
    struct tally tally = {.in_order = true};
    struct store_change change = TOKEN(STORE_ANY, "a", 1);

    (void)state;
    store_commit(keeper.store, &change, 1, commit_again, &tally);
    store_close(keeper.store);
    assert_int_equal(tally.answers, 1);
    assert_int_equal(tally.outcomes[STORE_FAILED], 1);
    loop_free(keeper.loop);
    support_open_store(&keeper, where);
}

static void close_it(void *argument, const struct store_result *result)
{
    struct tally *tally = argument;

    count_answer(tally, result);
    store_close(keeper.store);
    keeper.store = NULL;
    loop_stop(keeper.loop);
}

static void it_may_be_closed_by_an_answer(void **state)
{
    struct tally tally = {.in_order = true};
    struct store_change change = TOKEN(STORE_ANY, "a", 1);

    (void)state;
    store_commit(keeper.store, &change, 1, close_it, &tally);
    for (unsigned i = 0; i < 10; i++) {
        store_commit(keeper.store, &change, 1, count_answer, &tally);
    }
    assert_int_equal(loop_run(keeper.loop), 0);
    assert_int_equal(tally.outcomes[STORE_DONE], 11);
    loop_free(keeper.loop);
    support_open_store(&keeper, where);
}

static void leaves_nothing_open(void **state)
{
    unsigned before;

    (void)state;
    support_close_store(&keeper);
    before = support_open_descriptors();
    support_open_store(&keeper, where);
    assert_done(COMMIT(TOKEN(STORE_ANY, "a", 1)));
    support_close_store(&keeper);
    assert_int_equal(support_open_descriptors(), before);
    support_open_store(&keeper, where);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int run_for(const char *store)
{
    const struct CMUnitTest tests[] = {
        TEST(is_empty_at_first),
        TEST(keeps_all_of_an_instance),
        TEST(keeps_all_of_a_connection),
        TEST(keeps_all_of_a_token),
        TEST(a_row_is_replaced_whole),
        TEST(rows_go),
        TEST(each_commit_gets_the_next_revision),
        TEST(a_row_that_must_not_be_there),
        TEST(a_row_that_must_be_as_it_was),
        TEST(a_row_that_may_be_anything),
        TEST(a_conflict_leaves_nothing_behind),
        TEST(changes_are_made_one_after_the_other),
        TEST(an_outbound_has_one_connection),
        TEST(an_id_has_one_connection),
        TEST(a_connection_has_both_its_ends),
        TEST(what_is_connected_stays),
        TEST(the_caller_may_forget_its_rows),
        TEST(answers_come_in_order_on_the_loops_thread),
        TEST(neighbours_do_not_matter),
        TEST(one_of_two_hundred_racers_wins),
        TEST(nobody_else_changes_it),
        TEST(what_was_committed_is_finished_at_the_end),
        TEST(what_comes_after_the_end_fails),
        TEST(it_may_be_closed_by_an_answer),
        TEST(leaves_nothing_open),
    };

    where = store;
    print_message("# %s\n", store);
    return cmocka_run_group_tests_name(store, tests, support_enter_folder, support_leave_folder);
}

static void knows_its_kinds(void **state)
{
    static const char *const wrong[] = {"",       "mem",     ":",  "mem:x", "postgres://a",
                                        "sqlite", "memory:", "me:"};

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = ERROR_INIT;
        assert_null(store_open(wrong[i], NULL, NULL, &err));
        assert_non_null(strstr(err.text, "expected "));
    }
    store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest kinds[] = {cmocka_unit_test(knows_its_kinds)};

    return cmocka_run_group_tests(kinds, NULL, NULL) + run_for("mem:") + run_for("sqlite:test.db");
}
