#include "store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- rows that live until the store is closed ---- */

static struct model_instance *instances[4096];
static void *rows[8192];
static unsigned instance_count;
static unsigned row_count;

static void *keep_row(const void *row, size_t size)
{
    assert_true(row_count < sizeof rows / sizeof *rows);
    rows[row_count] = malloc(size);
    memcpy(rows[row_count], row, size);
    return rows[row_count++];
}

static void forget_rows(void)
{
    while (instance_count > 0) {
        model_instance_free(instances[--instance_count]);
    }
    while (row_count > 0) {
        free(rows[--row_count]);
    }
}

/* ---- opening and closing ---- */

void support_open_store(struct keeper *keeper, const char *where)
{
    struct error err = ERROR_INIT;

    keeper->loop = loop_new("test", &err);
    keeper->store = store_open(where, NULL, keeper->loop, &err);
    assert_string_equal(err.text, "");
    assert_non_null(keeper->store);
}

void support_close_store(struct keeper *keeper)
{
    store_close(keeper->store);
    loop_free(keeper->loop);
    keeper->store = NULL;
    keeper->loop = NULL;
    forget_rows();
}

/* ---- calls ---- */

struct call {
    struct loop *loop;
    struct mesh *mesh;
    struct store_result result;
};

static void on_done(void *argument, const struct store_result *result)
{
    struct call *call = argument;

    call->result = *result;
    loop_stop(call->loop);
}

struct store_result support_commit(struct keeper *keeper, const struct store_change *changes,
                                   unsigned count)
{
    struct call call = {.loop = keeper->loop};

    store_commit(keeper->store, changes, count, on_done, &call);
    assert_int_equal(loop_run(keeper->loop), 0);
    return call.result;
}

static void on_row(void *argument, enum store_kind kind, union store_row row)
{
    struct mesh *mesh = ((struct call *)argument)->mesh;

    switch (kind) {
    case STORE_INSTANCE:
        assert_int_equal(mesh_connection_count(mesh) + mesh_token_count(mesh), 0);
        mesh_put_instance(mesh, row.instance);
        break;
    case STORE_CONNECTION:
        assert_int_equal(mesh_token_count(mesh), 0);
        mesh_put_connection(mesh, row.connection);
        break;
    case STORE_TOKEN:
        mesh_put_token(mesh, row.token);
        break;
    }
}

struct mesh *support_load(struct keeper *keeper, int64_t *revision)
{
    struct call call = {.loop = keeper->loop, .mesh = mesh_new()};

    store_load(keeper->store, on_row, on_done, &call);
    assert_int_equal(loop_run(keeper->loop), 0);
    assert_int_equal(call.result.outcome, STORE_DONE);
    if (revision) {
        *revision = call.result.revision;
    }
    return call.mesh;
}

/* ---- changes ---- */

struct store_change support_put_instance_change(int64_t expected, const char *name,
                                                const char *words)
{
    struct store_change change = {.act = STORE_PUT, .kind = STORE_INSTANCE, .expected = expected};

    assert_true(instance_count < sizeof instances / sizeof *instances);
    instances[instance_count] = support_instance(name, words);
    change.row.instance = instances[instance_count++];
    return change;
}

struct store_change support_put_connection_change(int64_t expected, const char *id,
                                                  const char *ends)
{
    struct store_change change = {.act = STORE_PUT, .kind = STORE_CONNECTION, .expected = expected};
    struct model_connection row = support_connection(id, ends);

    change.row.connection = keep_row(&row, sizeof row);
    return change;
}

struct store_change support_put_token_change(int64_t expected, const char *id, unsigned uses_left)
{
    struct store_change change = {.act = STORE_PUT, .kind = STORE_TOKEN, .expected = expected};
    struct model_token row = {.instance = "shop",
                              .created_at = 1790000000,
                              .expires_at = 1790000900,
                              .uses = 5,
                              .uses_left = uses_left};

    snprintf(row.id, sizeof row.id, "%s", id);
    for (unsigned i = 0; i < sizeof row.hash; i++) {
        row.hash[i] = (uint8_t)(i * 8);
    }
    change.row.token = keep_row(&row, sizeof row);
    return change;
}

struct store_change support_check(struct store_change change)
{
    change.act = STORE_CHECK;
    return change;
}

struct store_change support_delete(struct store_change change)
{
    change.act = STORE_DELETE;
    return change;
}
