#include "../../src/registry/schema.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_support.h"
#include "support.h"

#define DATABASE "test.db"
#define STEPS_MAX 8

/* The registry's own steps, and more behind them. */
struct longer {
    const char *steps[STEPS_MAX];
    struct schema schema;
};

static void make_longer(struct longer *longer, const char *step)
{
    longer->schema.steps = longer->steps;
    longer->schema.count = schema_registry.count + 1;
    memcpy(longer->steps, schema_registry.steps, schema_registry.count * sizeof *longer->steps);
    longer->steps[schema_registry.count] = step;
}

static sqlite3 *open_database(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(DATABASE, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t answer;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return answer;
}

static int set_up(void **state)
{
    (void)state;
    unlink(DATABASE);
    unlink(DATABASE "-wal");
    unlink(DATABASE "-shm");
    return 0;
}

/* A database of today's version with a row of each kind. */
static void make_database(void)
{
    struct keeper keeper;

    support_open_store(&keeper, "sqlite:" DATABASE);
    assert_int_equal(SUPPORT_COMMIT(&keeper, support_put_instance_change(0, "shop", "db! cache"),
                                    support_put_instance_change(0, "mysql", "sql:3306"),
                                    support_put_connection_change(0, "c-1", "shop.db mysql.sql"),
                                    support_put_token_change(0, "t", 1))
                         .outcome,
                     STORE_DONE);
    support_close_store(&keeper);
}

static void assert_whole(int64_t version)
{
    sqlite3 *db = open_database();

    assert_int_equal(ask(db, "PRAGMA user_version"), version);
    assert_int_equal(ask(db, "SELECT count(*) FROM instances"), 2);
    assert_int_equal(ask(db, "SELECT count(*) FROM outbounds"), 2);
    assert_int_equal(ask(db, "SELECT count(*) FROM inbounds"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM connections"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM tokens"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM pragma_integrity_check WHERE "
                             "integrity_check = 'ok'"),
                     1);
    sqlite3_close(db);
}

static int migrate(sqlite3 *db, const struct schema *schema, struct error *err)
{
    err->text[0] = '\0';
    return schema_check(db, DATABASE, schema, err) == 0 ? schema_migrate(db, DATABASE, schema, err)
                                                        : -1;
}

static void an_empty_database_gets_every_step(void **state)
{
    struct longer longer;
    struct error err = ERROR_INIT;
    sqlite3 *db = open_database();

    (void)state;
    make_longer(&longer, "CREATE TABLE more (a)");
    assert_int_equal(migrate(db, &longer.schema, &err), 0);
    assert_int_equal(ask(db, "PRAGMA user_version"), schema_registry.count + 1);
    assert_int_equal(ask(db, "PRAGMA application_id"), SCHEMA_APPLICATION);
    assert_int_equal(ask(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM more"), 0);
    assert_int_equal(migrate(db, &longer.schema, &err), 0); /* nothing is left to do */
    sqlite3_close(db);
}

static void an_older_one_gets_what_is_new_and_keeps_its_rows(void **state)
{
    struct longer longer;
    struct error err = ERROR_INIT;
    sqlite3 *db;

    (void)state;
    make_database();
    assert_whole(1);
    make_longer(&longer, "ALTER TABLE tokens ADD COLUMN note TEXT NOT NULL DEFAULT 'old';"
                         "CREATE INDEX tokens_of_instances ON tokens (instance)");
    db = open_database();
    assert_int_equal(migrate(db, &longer.schema, &err), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM tokens WHERE note = 'old'"), 1);
    sqlite3_close(db);
    assert_whole(2);
}

/* As it is done where ALTER TABLE does not reach, with rows that others refer to. */
static void a_table_can_be_made_anew(void **state)
{
    struct longer longer;
    struct error err = ERROR_INIT;
    sqlite3 *db;

    (void)state;
    make_database();
    make_longer(&longer, "CREATE TABLE instances_new (name TEXT NOT NULL PRIMARY KEY,"
                         " applied INTEGER NOT NULL, removing INTEGER NOT NULL,"
                         " created_at INTEGER NOT NULL, revision INTEGER NOT NULL,"
                         " owner TEXT NOT NULL) WITHOUT ROWID;"
                         "INSERT INTO instances_new SELECT *, 'nobody' FROM instances;"
                         "DROP TABLE instances;"
                         "ALTER TABLE instances_new RENAME TO instances;");
    db = open_database();
    assert_int_equal(migrate(db, &longer.schema, &err), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM instances WHERE owner = 'nobody'"), 2);
    /* what referred to it still does */
    assert_int_equal(sqlite3_exec(db, "DELETE FROM instances", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    sqlite3_close(db);
    assert_whole(2);
}

static void assert_step_fails(const char *step, const char *why)
{
    struct longer longer;
    struct error err;
    struct keeper keeper;
    sqlite3 *db;

    make_database();
    make_longer(&longer, step);
    db = open_database();
    assert_int_equal(migrate(db, &longer.schema, &err), -1);
    assert_string_equal(err.text, why);
    assert_int_equal(ask(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_master WHERE name = 'more'"), 0);
    sqlite3_close(db);
    assert_whole(1);
    support_open_store(&keeper, "sqlite:" DATABASE); /* it is usable as it was */
    support_close_store(&keeper);
}

static void a_step_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_step_fails("CREATE TABLE more (a); DELETE FROM tokens; INSERT INTO missing VALUES (1)",
                      "cannot bring test.db to version 2 of its schema: test.db: no such table: "
                      "missing (SQLite's code 1)");
}

static void a_step_leaves_nothing_dangling(void **state)
{
    (void)state;
    assert_step_fails("CREATE TABLE more (a); DELETE FROM instances WHERE name = 'mysql'",
                      "cannot bring test.db to version 2 of its schema: test.db is damaged: rows "
                      "of its table inbounds belong to nothing; put a copy of it in its place");
}

/* In a process of its own, since it is killed half-way. */
static void take_an_endless_step(void)
{
    struct longer longer;
    sqlite3 *db = open_database();

    sqlite3_exec(db, "PRAGMA cache_size = 10", NULL, NULL, NULL); /* the rest goes to the disk */
    make_longer(&longer, "CREATE TABLE more (a);"
                         "DELETE FROM tokens;"
                         "INSERT INTO more WITH RECURSIVE every (n) AS"
                         " (SELECT 1 UNION ALL SELECT n + 1 FROM every) SELECT n FROM every");
    schema_migrate(db, DATABASE, &longer.schema, NULL);
}

static void a_step_that_is_killed_was_never_taken(void **state)
{
    struct stat log = {0};
    struct keeper keeper;
    pid_t child;
    int status;

    (void)state;
    make_database();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        take_an_endless_step();
        _exit(0);
    }
    while (log.st_size < 1 << 20) {
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);
        usleep(1000);
        stat(DATABASE "-wal", &log);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    support_open_store(&keeper, "sqlite:" DATABASE);
    support_close_store(&keeper);
    assert_whole(1);
}

static void the_registrys_own_schema_knows_no_more_than_it_says(void **state)
{
    struct longer longer;
    struct error err = ERROR_INIT;
    sqlite3 *db;

    (void)state;
    make_database();
    make_longer(&longer, "CREATE TABLE more (a)");
    db = open_database();
    assert_int_equal(migrate(db, &longer.schema, &err), 0);
    sqlite3_close(db);
    assert_null(store_open("sqlite:" DATABASE, NULL, NULL, &err));
    assert_string_equal(err.text, "test.db was written by a newer appnet-registry: its schema is "
                                  "version 2, and this program knows up to 1; run the newer one");
    assert_whole(2); /* untouched */
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest schema[] = {
        TEST(an_empty_database_gets_every_step),
        TEST(an_older_one_gets_what_is_new_and_keeps_its_rows),
        TEST(a_table_can_be_made_anew),
        TEST(a_step_is_taken_whole_or_not_at_all),
        TEST(a_step_leaves_nothing_dangling),
        TEST(a_step_that_is_killed_was_never_taken),
        TEST(the_registrys_own_schema_knows_no_more_than_it_says),
    };

    return cmocka_run_group_tests(schema, support_enter_folder, support_leave_folder);
}
