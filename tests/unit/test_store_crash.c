/* Every commit that was answered is there after a crash, and none is half there. */
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

#include "lossy_vfs.h"
#include "store_support.h"
#include "support.h"

#define UNDER_WAY 12 /* commits not answered yet, so that they come in batches */
#define KILLS 25
#define CUTS 60
#define COMMITS_BETWEEN_CUTS 40

/* ---- a history: commit number n always changes the same rows ----
 *
 * Commit 2k connects a new instance a-k to a new instance b-k, at once; commit 2k+1 disconnects
 * them, removes a-k and makes a token. */

struct rows {
    struct model_instance a;
    struct model_instance b;
    struct model_interface plug;
    struct model_interface hub;
    struct model_connection connection;
    struct model_token token;
};

static void make_rows(struct rows *rows, unsigned k)
{
    *rows = (struct rows){0};
    snprintf(rows->a.name, NAME_SIZE, "a-%u", k);
    snprintf(rows->b.name, NAME_SIZE, "b-%u", k);
    snprintf(rows->plug.name, NAME_SIZE, "plug");
    snprintf(rows->hub.name, NAME_SIZE, "hub");
    rows->plug.direction = MODEL_OUTBOUND;
    rows->hub.port = 80;
    rows->a.interfaces = &rows->plug;
    rows->a.interface_count = 1;
    rows->b.interfaces = &rows->hub;
    rows->b.interface_count = 1;
    snprintf(rows->connection.id, sizeof rows->connection.id, "c-%012u", k);
    memcpy(rows->connection.source, rows->a.name, NAME_SIZE);
    memcpy(rows->connection.outbound, rows->plug.name, NAME_SIZE);
    memcpy(rows->connection.target, rows->b.name, NAME_SIZE);
    memcpy(rows->connection.inbound, rows->hub.name, NAME_SIZE);
    snprintf(rows->token.id, sizeof rows->token.id, "t-%u", k);
}

static void commit_number(struct store *store, unsigned n, store_done *done, void *argument)
{
    struct rows rows;
    const struct store_change connect[] = {
        {STORE_PUT, STORE_INSTANCE, STORE_ABSENT, {.instance = &rows.a}},
        {STORE_PUT, STORE_INSTANCE, STORE_ABSENT, {.instance = &rows.b}},
        {STORE_PUT, STORE_CONNECTION, STORE_ABSENT, {.connection = &rows.connection}},
    };
    const struct store_change disconnect[] = {
        {STORE_DELETE, STORE_CONNECTION, n, {.connection = &rows.connection}},
        {STORE_DELETE, STORE_INSTANCE, n, {.instance = &rows.a}},
        {STORE_PUT, STORE_TOKEN, STORE_ABSENT, {.token = &rows.token}},
    };

    make_rows(&rows, n / 2);
    store_commit(store, n % 2 == 0 ? connect : disconnect, 3, done, argument);
}

/* The store holds exactly the first `revision` commits; returns how many. */
static unsigned assert_history(const char *where)
{
    struct keeper keeper;
    struct mesh *mesh;
    struct rows rows;
    int64_t revision;
    unsigned count;

    support_open_store(&keeper, where); /* which checks the database's integrity */
    mesh = support_load(&keeper, &revision);
    count = (unsigned)revision;
    for (unsigned k = 0; k <= count / 2; k++) {
        bool connected = count > 2 * k;
        bool disconnected = count > 2 * k + 1;
        make_rows(&rows, k);
        assert_int_equal(mesh_instance(mesh, rows.a.name) != NULL, connected && !disconnected);
        assert_int_equal(mesh_instance(mesh, rows.b.name) != NULL, connected);
        assert_int_equal(mesh_connection(mesh, rows.connection.id) != NULL,
                         connected && !disconnected);
        assert_int_equal(mesh_token(mesh, rows.token.id) != NULL, disconnected);
    }
    assert_int_equal(mesh_instance_count(mesh), (count + 1) / 2 + count % 2);
    assert_int_equal(mesh_connection_count(mesh), count % 2);
    assert_int_equal(mesh_token_count(mesh), count / 2);
    mesh_free(mesh);
    support_close_store(&keeper);
    return count;
}

/* ---- a process that is killed ---- */

struct writer {
    struct store *store;
    unsigned next;
    int answers; /* a byte for each commit that was answered */
};

static void write_on(void *argument, const struct store_result *result)
{
    struct writer *writer = argument;

    if (result->outcome != STORE_DONE || write(writer->answers, "x", 1) != 1) {
        _exit(1);
    }
    commit_number(writer->store, writer->next++, write_on, writer);
}

static void write_until_killed(unsigned first, int answers)
{
    struct loop *loop = loop_new("writer", NULL);
    struct writer writer = {.next = first, .answers = answers};

    writer.store = store_open("sqlite:killed.db", NULL, loop, NULL);
    if (!writer.store) {
        _exit(1);
    }
    for (unsigned i = 0; i < UNDER_WAY; i++) {
        commit_number(writer.store, writer.next++, write_on, &writer);
    }
    loop_run(loop);
    _exit(1);
}

/* Returns how many commits had been answered. */
static unsigned kill_a_writer(unsigned first, unsigned after)
{
    unsigned answered = 0;
    char bytes[64];
    ssize_t n;
    int answers[2];
    int status;
    pid_t child;

    assert_int_equal(pipe(answers), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(answers[0]);
        write_until_killed(first, answers[1]);
    }
    close(answers[1]);
    while ((n = read(answers[0], bytes, sizeof bytes)) > 0) {
        answered += (unsigned)n;
        if (answered >= after) {
            kill(child, SIGKILL);
        }
    }
    close(answers[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return answered;
}

static void a_process_that_is_killed(void **state)
{
    unsigned random = 4711;
    unsigned count = 0;

    (void)state;
    for (unsigned round = 0; round < KILLS; round++) {
        unsigned before = count;
        unsigned answered;
        random = random * 1664525 + 1013904223;
        answered = kill_a_writer(before, 1 + (random >> 16) % 150);
        count = assert_history("sqlite:killed.db");
        assert_true(count >= before + answered);
        assert_true(count <= before + answered + UNDER_WAY);
    }
    assert_true(count > KILLS);
}

/* ---- a machine that loses its power ---- */

struct cutter {
    struct store *store;
    struct loop *loop;
    unsigned next;
    unsigned answered;
    unsigned stop_at;
};

static void count_and_go_on(void *argument, const struct store_result *result)
{
    struct cutter *cutter = argument;

    if (cutter->stop_at == 0) {
        return; /* it is being closed */
    }
    assert_int_equal(result->outcome, STORE_DONE);
    cutter->answered++;
    commit_number(cutter->store, cutter->next++, count_and_go_on, cutter);
    if (cutter->answered == cutter->stop_at) {
        loop_stop(cutter->loop);
    }
}

/* The power is cut again and again at moments when commits are under way; what is then on the disk
 * is opened as after a restart. */
static void a_machine_that_loses_its_power(void **state)
{
    struct cutter cutter = {.loop = loop_new("cutter", NULL)};

    (void)state;
    lossy_vfs_begin();
    cutter.store = store_open("sqlite:lossy.db", NULL, cutter.loop, NULL);
    assert_non_null(cutter.store);
    lossy_vfs_hold();
    assert_int_equal(mkdir("cut", 0700), 0);
    for (unsigned i = 0; i < UNDER_WAY; i++) {
        commit_number(cutter.store, cutter.next++, count_and_go_on, &cutter);
    }
    for (unsigned round = 0; round < CUTS; round++) {
        unsigned count;
        cutter.stop_at = cutter.answered + 1 + round * 7 % COMMITS_BETWEEN_CUTS;
        assert_int_equal(loop_run(cutter.loop), 0);
        unlink("cut/lossy.db-wal");
        unlink("cut/lossy.db-shm");
        lossy_vfs_cut("cut", round);
        count = assert_history("sqlite:cut/lossy.db");
        assert_true(count >= cutter.answered);
        assert_true(count <= cutter.next);
    }
    cutter.stop_at = 0;
    store_close(cutter.store);
    loop_free(cutter.loop);
    lossy_vfs_end();
}

int main(void)
{
    const struct CMUnitTest crashes[] = {
        cmocka_unit_test(a_process_that_is_killed),
        cmocka_unit_test(a_machine_that_loses_its_power),
    };

    return cmocka_run_group_tests(crashes, support_enter_folder, support_leave_folder);
}
