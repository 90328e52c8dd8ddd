#include "appnet/registry/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry_support.h"

static int set_up(void **state)
{
    *state = mesh_new();
    return 0;
}

static int tear_down(void **state)
{
    mesh_free(*state);
    return 0;
}

static void keeps_instances_by_name(void **state)
{
    struct mesh *mesh = *state;
    static const char *const names[] = {"a", "b-1", "b-2", "shop"};
    const struct model_instance *instance = NULL;

    support_put_instance(mesh, "b-2", "db");
    support_put_instance(mesh, "a", "");
    support_put_instance(mesh, "shop", "db http:80");
    support_put_instance(mesh, "b-1", "db");
    support_put_instance(mesh, "shop", "db cache");
    assert_int_equal(mesh_instance_count(mesh), 4);
    for (unsigned i = 0; i < 4; i++) {
        instance = mesh_next_instance(mesh, instance ? instance->name : NULL);
        assert_string_equal(instance->name, names[i]);
        assert_ptr_equal(instance, mesh_instance(mesh, names[i]));
    }
    assert_null(mesh_next_instance(mesh, instance->name));
    assert_non_null(model_interface_find(mesh_instance(mesh, "shop"), "cache"));
    assert_null(model_interface_find(mesh_instance(mesh, "shop"), "http"));

    assert_true(mesh_remove_instance(mesh, "b-1"));
    assert_false(mesh_remove_instance(mesh, "b-1"));
    assert_null(mesh_instance(mesh, "b-1"));
    assert_string_equal(mesh_next_instance(mesh, "b-1")->name, "b-2");
}

static void a_name_that_is_too_long_is_nobodys(void **state)
{
    struct mesh *mesh = *state;
    char name[NAME_SIZE + 1];

    memset(name, 'x', NAME_SIZE);
    name[NAME_SIZE] = '\0';
    name[NAME_SIZE - 1] = '\0';
    support_put_instance(mesh, name, "");
    assert_non_null(mesh_instance(mesh, name));
    name[NAME_SIZE - 1] = 'x';
    assert_null(mesh_instance(mesh, name));
    assert_false(mesh_remove_instance(mesh, name));
    support_put_connection(mesh, "c-1", "a.b c.d");
    assert_null(mesh_connection(mesh, "c-1xxxxxxxxxxxxxxxxxx"));
    assert_null(mesh_connection_of(mesh, "a", name));
}

static void finds_a_connection_by_each_key(void **state)
{
    struct mesh *mesh = *state;
    const struct model_connection *found;

    support_put_connection(mesh, "c-1", "shop.db mysql.sql");
    support_put_connection(mesh, "c-2", "blog.db mysql.sql");
    found = mesh_connection(mesh, "c-1");
    assert_string_equal(found->source, "shop");
    assert_ptr_equal(mesh_connection_of(mesh, "shop", "db"), found);
    assert_null(mesh_connection_of(mesh, "shop", "cache"));
    assert_null(mesh_connection_of(mesh, "mysql", "sql"));
    assert_null(mesh_connection(mesh, "c-3"));
    assert_int_equal(mesh_connection_count(mesh), 2);
}

static void one_row_for_an_id_and_one_for_an_outbound(void **state)
{
    struct mesh *mesh = *state;

    support_put_connection(mesh, "c-1", "shop.db mysql.sql");
    support_put_connection(mesh, "c-1", "shop.db pg.sql"); /* the same, changed */
    assert_int_equal(mesh_connection_count(mesh), 1);
    assert_null(mesh_next_to(mesh, "mysql", NULL, NULL));
    support_put_connection(mesh, "c-2", "shop.db mysql.sql"); /* the outbound's new one */
    assert_int_equal(mesh_connection_count(mesh), 1);
    assert_null(mesh_connection(mesh, "c-1"));
    support_put_connection(mesh, "c-3", "blog.db mysql.sql");
    support_put_connection(mesh, "c-3", "shop.db mysql.sql"); /* both at once */
    assert_int_equal(mesh_connection_count(mesh), 1);
    assert_string_equal(mesh_connection_of(mesh, "shop", "db")->id, "c-3");
    assert_null(mesh_connection_of(mesh, "blog", "db"));
}

static void assert_ids(const char *ids[],
                       const struct model_connection *(*next)(const struct mesh *,
                                                              const struct model_connection *),
                       const struct mesh *mesh)
{
    const struct model_connection *row = NULL;

    for (unsigned i = 0; ids[i]; i++) {
        row = next(mesh, row);
        assert_non_null(row);
        assert_string_equal(row->id, ids[i]);
    }
    assert_null(next(mesh, row));
}

static const struct model_connection *from_shop(const struct mesh *mesh,
                                                const struct model_connection *after)
{
    return mesh_next_from(mesh, "shop", after);
}

static const struct model_connection *to_mysql(const struct mesh *mesh,
                                               const struct model_connection *after)
{
    return mesh_next_to(mesh, "mysql", NULL, after);
}

static const struct model_connection *to_mysql_sql(const struct mesh *mesh,
                                                   const struct model_connection *after)
{
    return mesh_next_to(mesh, "mysql", "sql", after);
}

static void walks_in_a_stable_order(void **state)
{
    struct mesh *mesh = *state;

    support_put_connection(mesh, "c-1", "shop.db mysql.sql");
    support_put_connection(mesh, "c-2", "shop.admin mysql.console");
    support_put_connection(mesh, "c-3", "blog.db mysql.sql");
    support_put_connection(mesh, "c-4", "shop.cache redis.data");
    support_put_connection(mesh, "c-5", "zoo.db mysql.sql");
    support_put_connection(mesh, "c-6", "shop-2.db mysql-2.sql");
    assert_ids((const char *[]){"c-3", "c-2", "c-4", "c-1", "c-6", "c-5", NULL},
               mesh_next_connection, mesh);
    assert_ids((const char *[]){"c-2", "c-4", "c-1", NULL}, from_shop, mesh);
    assert_ids((const char *[]){"c-2", "c-3", "c-1", "c-5", NULL}, to_mysql, mesh);
    assert_ids((const char *[]){"c-3", "c-1", "c-5", NULL}, to_mysql_sql, mesh);
    assert_null(mesh_next_from(mesh, "nobody", NULL));
    assert_null(mesh_next_to(mesh, "mysql", "nothing", NULL));

    assert_true(mesh_remove_connection(mesh, "c-1"));
    assert_false(mesh_remove_connection(mesh, "c-1"));
    assert_ids((const char *[]){"c-3", "c-2", "c-4", "c-6", "c-5", NULL}, mesh_next_connection,
               mesh);
    assert_ids((const char *[]){"c-3", "c-5", NULL}, to_mysql_sql, mesh);
}

static void keeps_tokens_by_id(void **state)
{
    struct mesh *mesh = *state;
    struct model_token token = {.id = "bbbbbbbbbbbb", .instance = "shop", .uses_left = 2};

    mesh_put_token(mesh, &token);
    memcpy(token.id, "aaaa", 4);
    mesh_put_token(mesh, &token);
    token.uses_left = 1;
    assert_int_equal(mesh_put_token(mesh, &token)->uses_left, 1);
    assert_int_equal(mesh_token_count(mesh), 2);
    assert_string_equal(mesh_next_token(mesh, NULL)->id, "aaaabbbbbbbb");
    assert_string_equal(mesh_next_token(mesh, "aaaabbbbbbbb")->id, "bbbbbbbbbbbb");
    assert_null(mesh_next_token(mesh, "bbbbbbbbbbbb"));
    assert_int_equal(mesh_token(mesh, "bbbbbbbbbbbb")->uses_left, 2);
    assert_true(mesh_remove_token(mesh, "bbbbbbbbbbbb"));
    assert_false(mesh_remove_token(mesh, "bbbbbbbbbbbb"));
    assert_null(mesh_token(mesh, "bbbbbbbbbbbb"));
}

static void a_hundred_thousand_connections_work(void **state)
{
    struct mesh *mesh = *state;
    const struct model_connection *row = NULL;
    struct model_connection made = {.outbound = "db", .inbound = "sql"};
    unsigned count = 0;

    for (unsigned i = 0; i < 100000; i++) {
        /* 7919 and 100000 have no common divisor: each number comes once, in no order */
        unsigned number = (unsigned)((uint64_t)i * 7919 % 100000);
        snprintf(made.id, sizeof made.id, "c-%012u", i);
        snprintf(made.source, sizeof made.source, "client-%u", number);
        snprintf(made.target, sizeof made.target, "server-%u", number % 10);
        mesh_put_connection(mesh, &made);
    }
    assert_int_equal(mesh_connection_count(mesh), 100000);
    while ((row = mesh_next_to(mesh, "server-3", "sql", row))) {
        count++;
    }
    assert_int_equal(count, 10000);
    for (unsigned i = 0; i < 100000; i += 2) {
        snprintf(made.id, sizeof made.id, "c-%012u", i);
        assert_true(mesh_remove_connection(mesh, made.id));
    }
    assert_int_equal(mesh_connection_count(mesh), 50000);
    assert_non_null(mesh_connection_of(mesh, "client-7919", "db"));
    assert_null(mesh_connection_of(mesh, "client-0", "db"));
}

static void a_mesh_that_is_freed_is_gone(void **state)
{
    (void)state;
    mesh_free(NULL);
}

int main(void)
{
    const struct CMUnitTest mesh[] = {
        cmocka_unit_test_setup_teardown(keeps_instances_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_nobodys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_a_connection_by_each_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_row_for_an_id_and_one_for_an_outbound, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(walks_in_a_stable_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_tokens_by_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_connections_work, set_up, tear_down),
        cmocka_unit_test(a_mesh_that_is_freed_is_gone),
    };

    return cmocka_run_group_tests(mesh, NULL, NULL);
}
