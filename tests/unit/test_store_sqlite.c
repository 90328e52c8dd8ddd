/* What the SQLite store does beyond what every store does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store_support.h"
#include "support.h"

#define STORE "sqlite:test.db"

#define COMMIT(...) SUPPORT_COMMIT(&keeper, __VA_ARGS__)
#define TOKEN(expected, id, uses_left) support_put_token_change(expected, id, uses_left)

static struct keeper keeper;

static void remove_database(void)
{
    unlink("test.db");
    unlink("test.db-wal");
    unlink("test.db-shm");
}

static int set_up(void **state)
{
    (void)state;
    remove_database();
    return 0;
}

static void open_store(void)
{
    support_open_store(&keeper, STORE);
}

static void close_store(void)
{
    support_close_store(&keeper);
}

/* Two instances and their connection. */
static void fill(void)
{
    struct store_result result =
        COMMIT(support_put_instance_change(0, "shop", "db! cache http:80"),
               support_put_instance_change(0, "mysql", "sql:3306 log"),
               support_put_connection_change(0, "c-1", "shop.db mysql.sql"));

    assert_int_equal(result.outcome, STORE_DONE);
}

static void assert_filled(void)
{
    int64_t revision;
    struct mesh *mesh = support_load(&keeper, &revision);

    assert_int_equal(revision, 1);
    assert_int_equal(mesh_instance_count(mesh), 2);
    assert_int_equal(mesh_connection_count(mesh), 1);
    mesh_free(mesh);
}

static void assert_open_fails(const char *where, const char *why)
{
    struct error err = ERROR_INIT;
    unsigned before = support_open_descriptors();

    assert_null(store_open(where, NULL, NULL, &err));
    assert_string_equal(err.text, why);
    assert_int_equal(support_open_descriptors(), before);
}

/* Another program at the same database. */
static sqlite3 *open_beside(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open("test.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_extended_result_codes(db, 1), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* ---- the file ---- */

static void rows_are_there_again(void **state)
{
    (void)state;
    open_store();
    fill();
    close_store();
    open_store();
    assert_filled();
    assert_int_equal(COMMIT(TOKEN(0, "a", 1)).revision, 2);
    close_store();
    open_store();
    assert_int_equal(COMMIT(TOKEN(2, "a", 0)).revision, 3);
    close_store();
}

static void a_relative_path_is_in_the_folder(void **state)
{
    struct loop *loop = loop_new("test", NULL);
    struct store *store;
    char folder[256];

    (void)state;
    assert_non_null(getcwd(folder, sizeof folder));
    assert_int_equal(mkdir("data", 0700), 0);
    store = store_open("sqlite:inside.db", "data", loop, NULL);
    assert_non_null(store);
    store_close(store);
    assert_int_equal(access("data/inside.db", F_OK), 0);
    strcat(folder, "/absolute.db");
    char *where = malloc(sizeof folder + 8);
    sprintf(where, "sqlite:%s", folder);
    store = store_open(where, "data", loop, NULL);
    assert_non_null(store);
    store_close(store);
    assert_int_equal(access("absolute.db", F_OK), 0);
    free(where);
    loop_free(loop);
}

static void only_its_owner_reads_it(void **state)
{
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm", "test.db.lock"};
    mode_t mask = umask(0);
    struct stat status;

    (void)state;
    unlink("test.db.lock");
    open_store();
    fill();
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(stat(files[i], &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    close_store();
    umask(mask);
}

static void one_registry_has_it(void **state)
{
    (void)state;
    open_store();
    assert_open_fails(STORE, "another appnet-registry uses test.db: end that one");
    fill();
    close_store();
    open_store();
    assert_filled();
    close_store();
}

static void whoever_looks_is_let_in(void **state)
{
    sqlite3 *db;

    (void)state;
    open_store();
    fill();
    db = open_beside();
    assert_int_equal(run(db, "SELECT * FROM connections"), SQLITE_OK);
    assert_int_equal(run(db, "VACUUM INTO 'copy.db'"), SQLITE_OK);
    sqlite3_close(db);
    close_store();
    support_open_store(&keeper, "sqlite:copy.db"); /* a copy is a database too */
    assert_filled();
    close_store();
}

/* ---- what it refuses to open ---- */

static void write_file(const char *path, long offset, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, offset), size);
    close(fd);
}

static void what_cannot_be_a_file(void **state)
{
    (void)state;
    assert_open_fails("sqlite:", "store \"sqlite:\" names no file: expected sqlite:PATH");
    assert_open_fails("sqlite:nowhere/test.db",
                      "cannot open nowhere/test.db.lock: No such file or directory");
    assert_int_equal(mkdir("folder.db", 0700), 0);
    assert_open_fails("sqlite:folder.db", "cannot open folder.db: Is a directory");
}

static void what_is_no_database(void **state)
{
    char text[4096];

    (void)state;
    memset(text, 'x', sizeof text);
    write_file("test.db", 0, text, sizeof text);
    assert_open_fails(STORE, "test.db is no SQLite database, or a damaged one");
}

static void what_is_anothers_database(void **state)
{
    sqlite3 *db = open_beside();

    (void)state;
    assert_int_equal(run(db, "CREATE TABLE books (title)"), SQLITE_OK);
    sqlite3_close(db);
    assert_open_fails(STORE, "test.db is another program's database");
    db = open_beside();
    assert_int_equal(run(db, "INSERT INTO books VALUES ('it was left alone')"), SQLITE_OK);
    sqlite3_close(db);
}

static void what_is_damaged(void **state)
{
    static const char garbage[512] = {1, 2, 3};
    struct error err = ERROR_INIT;
    struct stat status;

    (void)state;
    open_store();
    fill();
    close_store();
    assert_int_equal(stat("test.db", &status), 0);
    for (long page = 1; page < status.st_size / 4096; page++) {
        write_file("test.db", page * 4096, garbage, sizeof garbage);
    }
    assert_null(store_open(STORE, NULL, NULL, &err));
    assert_non_null(strstr(err.text, "test.db is damaged: put a copy of it in its place"));
}

static void what_was_cut_off(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    open_store();
    fill();
    close_store();
    assert_int_equal(truncate("test.db", 8192), 0);
    assert_null(store_open(STORE, NULL, NULL, &err));
    assert_non_null(strstr(err.text, "test.db is damaged"));
}

static void what_has_loose_ends(void **state)
{
    sqlite3 *db;

    (void)state;
    open_store();
    fill();
    close_store();
    db = open_beside();
    assert_int_equal(run(db, "PRAGMA foreign_keys = OFF; DELETE FROM inbounds"), SQLITE_OK);
    sqlite3_close(db);
    assert_open_fails(STORE, "test.db is damaged: rows of its table connections belong to nothing; "
                             "put a copy of it in its place");
}

/* ---- what the database itself holds, whoever writes ---- */

static void the_rules_are_the_databases_own(void **state)
{
    sqlite3 *db;

    (void)state;
    open_store();
    fill();
    close_store();
    db = open_beside();
#define INSERT "INSERT INTO connections VALUES "
    assert_int_equal(run(db, INSERT "('shop', 'db', 'mysql', 'sql', 'c-2', 0, 0, 0)"),
                     SQLITE_CONSTRAINT_PRIMARYKEY);
    assert_int_equal(run(db, INSERT "('shop', 'cache', 'mysql', 'sql', 'c-1', 0, 0, 0)"),
                     SQLITE_CONSTRAINT_UNIQUE);
    assert_int_equal(run(db, INSERT "('shop', 'cache', 'shop', 'http', 'c-2', 0, 0, 0)"),
                     SQLITE_CONSTRAINT_CHECK);
    assert_int_equal(run(db, INSERT "('shop', 'cache', 'mysql', 'log', 'c-2', 0, 0, 0)"),
                     SQLITE_CONSTRAINT_FOREIGNKEY);
    assert_int_equal(run(db, INSERT "('shop', 'http', 'mysql', 'sql', 'c-2', 0, 0, 0)"),
                     SQLITE_CONSTRAINT_FOREIGNKEY);
    assert_int_equal(run(db, "DELETE FROM inbounds WHERE name = 'sql'"),
                     SQLITE_CONSTRAINT_FOREIGNKEY);
    assert_int_equal(run(db, "DELETE FROM instances WHERE name = 'shop'"),
                     SQLITE_CONSTRAINT_FOREIGNKEY);
    assert_int_equal(run(db, INSERT "('shop', 'cache', 'mysql', 'sql', 'c-2', 0, 0, 0)"),
                     SQLITE_OK);
    sqlite3_close(db);
}

/* ---- trouble while it runs ---- */

static void a_lock_of_another_program_is_told(void **state)
{
    struct store_result result;
    sqlite3 *db;

    (void)state;
    open_store();
    fill();
    db = open_beside();
    assert_int_equal(run(db, "BEGIN IMMEDIATE"), SQLITE_OK);
    result = COMMIT(TOKEN(0, "a", 1));
    assert_int_equal(result.outcome, STORE_FAILED);
    assert_string_equal(result.why.text, "another program has locked test.db: end that one");
    assert_filled(); /* reading goes on */
    assert_int_equal(run(db, "COMMIT"), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(COMMIT(TOKEN(0, "a", 1)).revision, 2);
    close_store();
}

static void limit_files_to(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The log may not grow any more: as when the disk is full, but without one. */
static void a_disk_that_takes_no_more_is_told(void **state)
{
    struct store_result result;
    struct stat log;
    struct mesh *mesh;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    open_store();
    fill();
    assert_int_equal(stat("test.db-wal", &log), 0);
    limit_files_to((rlim_t)log.st_size + 100);
    for (unsigned i = 0; i < 3; i++) {
        result = COMMIT(TOKEN(0, "a", 1));
        assert_int_equal(result.outcome, STORE_FAILED);
        assert_non_null(strstr(result.why.text, "test.db"));
    }
    assert_filled();
    limit_files_to(RLIM_INFINITY);
    /* nothing is left of what failed, and it goes on by itself */
    assert_int_equal(COMMIT(TOKEN(0, "a", 1)).revision, 2);
    close_store();
    open_store();
    mesh = support_load(&keeper, NULL);
    assert_int_equal(mesh_token_count(mesh), 1);
    mesh_free(mesh);
    close_store();
    signal(SIGXFSZ, SIG_DFL);
}

struct tally {
    unsigned outcomes[3];
    unsigned answers;
    unsigned stop_at;
};

static void count_answer(void *argument, const struct store_result *result)
{
    struct tally *tally = argument;

    tally->outcomes[result->outcome]++;
    if (++tally->answers == tally->stop_at) {
        loop_stop(keeper.loop);
    }
}

/* One commit is too large for the disk; those beside it are not. */
static void a_commit_that_fails_fails_alone(void **state)
{
    struct tally tally = {.stop_at = 21};
    struct model_instance *large = support_instance("large", "");
    struct store_change changes[20];
    struct store_change too_large = {.act = STORE_PUT, .kind = STORE_INSTANCE};
    struct mesh *mesh;
    char name[NAME_SIZE];

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "a-name-that-is-made-long-to-take-some-room-%u", i);
        model_interface_add(large, name, MODEL_OUTBOUND);
    }
    too_large.row.instance = large;
    open_store();
    fill();
    limit_files_to(1 << 20);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "t%u", i);
        changes[i] = TOKEN(0, name, 1);
    }
    for (unsigned i = 0; i < 20; i++) {
        store_commit(keeper.store, &changes[i], 1, count_answer, &tally);
        if (i == 10) {
            store_commit(keeper.store, &too_large, 1, count_answer, &tally);
        }
    }
    assert_int_equal(loop_run(keeper.loop), 0);
    assert_int_equal(tally.outcomes[STORE_FAILED], 1);
    assert_int_equal(tally.outcomes[STORE_DONE], 20);
    limit_files_to(RLIM_INFINITY);
    mesh = support_load(&keeper, NULL);
    assert_int_equal(mesh_token_count(mesh), 20);
    assert_int_equal(mesh_instance_count(mesh), 2);
    mesh_free(mesh);
    close_store();
    model_instance_free(large);
    signal(SIGXFSZ, SIG_DFL);
}

/* They wait for it together, and not one after the other. */
static void a_lock_holds_up_many_commits_no_longer_than_one(void **state)
{
    struct tally tally = {.stop_at = 30};
    int64_t begun;
    sqlite3 *db;

    (void)state;
    open_store();
    fill();
    db = open_beside();
    assert_int_equal(run(db, "BEGIN IMMEDIATE"), SQLITE_OK);
    begun = loop_now();
    for (int i = 0; i < 30; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        struct store_change change = TOKEN(0, id, 1);
        store_commit(keeper.store, &change, 1, count_answer, &tally);
    }
    assert_int_equal(loop_run(keeper.loop), 0);
    assert_true(loop_now() - begun < 15000000); /* 2 s for the first, and 2 s for the others */
    assert_int_equal(tally.outcomes[STORE_FAILED], 30);
    assert_int_equal(run(db, "COMMIT"), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(COMMIT(TOKEN(0, "a", 1)).revision, 2);
    close_store();
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest store[] = {
        TEST(rows_are_there_again),
        TEST(a_relative_path_is_in_the_folder),
        TEST(only_its_owner_reads_it),
        TEST(one_registry_has_it),
        TEST(whoever_looks_is_let_in),
        TEST(what_cannot_be_a_file),
        TEST(what_is_no_database),
        TEST(what_is_anothers_database),
        TEST(what_is_damaged),
        TEST(what_was_cut_off),
        TEST(what_has_loose_ends),
        TEST(the_rules_are_the_databases_own),
        TEST(a_lock_of_another_program_is_told),
        TEST(a_disk_that_takes_no_more_is_told),
        TEST(a_commit_that_fails_fails_alone),
        TEST(a_lock_holds_up_many_commits_no_longer_than_one),
    };

    return cmocka_run_group_tests(store, support_enter_folder, support_leave_folder);
}
