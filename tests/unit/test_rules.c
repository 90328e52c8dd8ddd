#include "appnet/registry/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "registry_support.h"

static int set_up(void **state)
{
    struct mesh *mesh = mesh_new();

    support_put_instance(mesh, "wordpress", "db! cache http:80");
    support_put_instance(mesh, "blog", "db http:80");
    support_put_instance(mesh, "mysql", "sql:3306 console:8080");
    support_put_instance(mesh, "redis", "data:6379");
    support_put_instance(mesh, "lonely", "");
    *state = mesh;
    return 0;
}

static int tear_down(void **state)
{
    mesh_free(*state);
    return 0;
}

static void assert_refusal(int rc, const struct refusal *refusal, unsigned status, const char *code,
                           const char *text)
{
    assert_int_equal(rc, -1);
    assert_string_equal(refusal->code, code);
    assert_int_equal(refusal->status, status);
    assert_string_equal(refusal->text.text, text);
}

static int connect_ends(const struct mesh *mesh, const char *ends, struct refusal *refusal)
{
    struct model_connection row = support_connection("", ends);

    memset(refusal, 0xff, sizeof *refusal);
    return rules_connect(mesh, row.source, row.outbound, row.target, row.inbound, refusal);
}

static void assert_connect_refused(const struct mesh *mesh, const char *ends, unsigned status,
                                   const char *code, const char *text)
{
    struct refusal refusal;

    assert_refusal(connect_ends(mesh, ends, &refusal), &refusal, status, code, text);
}

static void assert_connects(const struct mesh *mesh, const char *ends)
{
    struct refusal refusal;

    assert_int_equal(connect_ends(mesh, ends, &refusal), 0);
}

/* ---- connecting ---- */

static void an_outbound_goes_to_an_inbound(void **state)
{
    assert_connects(*state, "wordpress.db mysql.sql");
    assert_connects(*state, "blog.db wordpress.http");
}

static void rule_1_only_from_an_outbound(void **state)
{
    assert_connect_refused(*state, "wordpress.http mysql.sql", 409, "not-outbound",
                           "http of wordpress is an inbound, and a connection goes from an "
                           "outbound to an inbound; the outbounds of wordpress are: db, cache");
    assert_connect_refused(*state, "mysql.sql redis.data", 409, "not-outbound",
                           "sql of mysql is an inbound, and a connection goes from an outbound to "
                           "an inbound; the outbounds of mysql are: none");
}

static void rule_1_only_to_an_inbound(void **state)
{
    assert_connect_refused(*state, "wordpress.db blog.db", 409, "not-inbound",
                           "db of blog is an outbound, and a connection goes from an outbound to "
                           "an inbound; the inbounds of blog are: http");
}

static void rule_1_tells_how_to_turn_it_round(void **state)
{
    assert_connect_refused(*state, "mysql.sql wordpress.db", 409, "not-outbound",
                           "sql of mysql is an inbound and db of wordpress an outbound; the other "
                           "way round it would do: appnet add wordpress db mysql sql");
}

static void rule_2_never_to_itself(void **state)
{
    assert_connect_refused(*state, "wordpress.db wordpress.http", 409, "same-instance",
                           "wordpress cannot be connected to itself: choose an inbound of another "
                           "instance, as appnet inbound available shows them");
}

static void rule_3_one_connection_for_an_outbound(void **state)
{
    struct mesh *mesh = *state;

    support_put_connection(mesh, "c-1", "wordpress.db mysql.sql");
    assert_connect_refused(mesh, "wordpress.db redis.data", 409, "outbound-taken",
                           "outbound db of wordpress is connected to sql of mysql already, and an "
                           "outbound has one connection; disconnect it first: appnet remove "
                           "wordpress db mysql sql");
    assert_connect_refused(mesh, "wordpress.db mysql.sql", 409, "outbound-taken",
                           "outbound db of wordpress is connected to sql of mysql already");
    assert_connects(mesh, "wordpress.cache mysql.sql"); /* another of the same instance */
}

static void rule_3_holds_until_the_old_one_is_gone(void **state)
{
    struct mesh *mesh = *state;
    struct model_connection row = support_connection("c-1", "wordpress.db mysql.sql");

    row.removing = true;
    mesh_put_connection(mesh, &row);
    assert_connect_refused(mesh, "wordpress.db redis.data", 409, "outbound-taken",
                           "outbound db of wordpress is still being disconnected from sql of "
                           "mysql: try again in a moment");
    mesh_remove_connection(mesh, "c-1");
    assert_connects(mesh, "wordpress.db redis.data");
}

static void rule_4_many_outbounds_for_an_inbound(void **state)
{
    struct mesh *mesh = *state;

    support_put_connection(mesh, "c-1", "wordpress.db mysql.sql");
    support_put_connection(mesh, "c-2", "wordpress.cache mysql.sql");
    assert_connects(mesh, "blog.db mysql.sql");
}

static void what_is_unknown_is_named(void **state)
{
    assert_connect_refused(*state, "nobody.db mysql.sql", 404, "instance-unknown",
                           "there is no instance nobody: appnet instance list shows those there "
                           "are, and appnet instance apply FILE makes one before it starts");
    assert_connect_refused(*state, "wordpress.db nobody.sql", 404, "instance-unknown",
                           "there is no instance nobody: appnet instance list shows those there "
                           "are, and appnet instance apply FILE makes one before it starts");
    assert_connect_refused(*state, "wordpress.dbx mysql.sql", 404, "interface-unknown",
                           "wordpress has no outbound dbx; its outbounds are: db, cache");
    assert_connect_refused(*state, "wordpress.db mysql.sqlx", 404, "interface-unknown",
                           "mysql has no inbound sqlx; its inbounds are: sql, console");
    assert_connect_refused(*state, "wordpress.db lonely.sql", 404, "interface-unknown",
                           "lonely has no inbound sql; its inbounds are: none");
}

static void a_long_list_is_cut(void **state)
{
    support_put_instance(*state, "many", "a b c d e f g h i j");
    support_put_instance(*state, "eight", "a b c d e f g h");
    assert_connect_refused(*state, "many.x mysql.sql", 404, "interface-unknown",
                           "many has no outbound x; its outbounds are: a, b, c, d, e, f, g, h, "
                           "...");
    assert_connect_refused(*state, "eight.x mysql.sql", 404, "interface-unknown",
                           "eight has no outbound x; its outbounds are: a, b, c, d, e, f, g, h");
}

static void long_names_stay_within_the_sentence(void **state)
{
    struct refusal refusal;
    char words[10 * NAME_SIZE] = "";
    char name[NAME_SIZE];

    for (unsigned i = 0; i < 9; i++) {
        memset(name, 'a' + (int)i, sizeof name - 1);
        name[sizeof name - 1] = '\0';
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s ", name);
    }
    support_put_instance(*state, name, words);
    assert_int_equal(rules_connect(*state, name, "x", "mysql", "sql", &refusal), -1);
    assert_string_equal(refusal.code, "interface-unknown");
    assert_true(strlen(refusal.text.text) < sizeof refusal.text.text);
}

static void names_are_checked_first(void **state)
{
    assert_connect_refused(*state, "Word.db mysql.sql", 422, "name-invalid",
                           "\"Word\" is no name of an instance: expected " NAME_EXPECTED);
    assert_connect_refused(*state, "wordpress.-db mysql.sql", 422, "name-invalid",
                           "\"-db\" is no name of an outbound: expected " NAME_EXPECTED);
    assert_connect_refused(*state, "wordpress.db my/sql.sql", 422, "name-invalid",
                           "\"my/sql\" is no name of an instance: expected " NAME_EXPECTED);
    assert_connect_refused(*state, "wordpress.db mysql.s_l", 422, "name-invalid",
                           "\"s_l\" is no name of an inbound: expected " NAME_EXPECTED);
}

static void put_removing_instance(struct mesh *mesh, const char *name)
{
    struct model_instance *instance = model_instance_copy(mesh_instance(mesh, name));

    instance->removing = true;
    mesh_put_instance(mesh, instance);
    model_instance_free(instance);
}

static void an_instance_on_its_way_out_gets_no_connections(void **state)
{
    put_removing_instance(*state, "mysql");
    assert_connect_refused(*state, "wordpress.db mysql.sql", 409, "already-removing",
                           "instance mysql is being removed: wait until it is gone");
    put_removing_instance(*state, "wordpress");
    assert_connect_refused(*state, "wordpress.db redis.data", 409, "already-removing",
                           "instance wordpress is being removed: wait until it is gone");
}

/* ---- disconnecting ---- */

static void rule_6_a_required_outbound_needs_confirmation(void **state)
{
    struct mesh *mesh = *state;
    struct refusal refusal;

    support_put_connection(mesh, "c-1", "wordpress.db mysql.sql");
    assert_refusal(rules_disconnect(mesh, "c-1", false, &refusal), &refusal, 409,
                   "confirmation-required",
                   "outbound db is required: wordpress does not work without it. To disconnect it "
                   "all the same: appnet remove wordpress db mysql sql --force");
    assert_int_equal(rules_disconnect(mesh, "c-1", true, &refusal), 0);
}

static void any_other_does_not(void **state)
{
    struct mesh *mesh = *state;
    struct refusal refusal;

    support_put_connection(mesh, "c-1", "wordpress.cache redis.data");
    assert_int_equal(rules_disconnect(mesh, "c-1", false, &refusal), 0);
    assert_int_equal(rules_disconnect(mesh, "c-1", true, &refusal), 0);
}

static void nothing_is_disconnected_twice(void **state)
{
    struct mesh *mesh = *state;
    struct model_connection row = support_connection("c-1", "wordpress.db mysql.sql");
    struct refusal refusal;

    row.removing = true;
    mesh_put_connection(mesh, &row);
    assert_refusal(rules_disconnect(mesh, "c-1", true, &refusal), &refusal, 409, "already-removing",
                   "the connection of db of wordpress to sql of mysql is being removed already: "
                   "wait until it is gone");
    assert_refusal(rules_disconnect(mesh, "c-2", true, &refusal), &refusal, 404,
                   "connection-unknown",
                   "there is no connection c-2: appnet list shows those there are");
}

/* ---- removing instances ---- */

static void rule_7_an_instance_in_use_needs_confirmation(void **state)
{
    struct mesh *mesh = *state;
    struct refusal refusal;

    support_put_connection(mesh, "c-1", "wordpress.cache mysql.sql");
    assert_refusal(rules_remove_instance(mesh, "mysql", false, &refusal), &refusal, 409,
                   "confirmation-required",
                   "1 outbound of other instances is connected to mysql, and would be "
                   "disconnected. To remove it all the same: appnet instance remove mysql --force");
    support_put_connection(mesh, "c-2", "wordpress.db mysql.console");
    support_put_connection(mesh, "c-3", "blog.db mysql.sql");
    assert_refusal(rules_remove_instance(mesh, "mysql", false, &refusal), &refusal, 409,
                   "confirmation-required",
                   "3 outbounds of other instances are connected to mysql, 1 of them required, and "
                   "would be disconnected. To remove it all the same: appnet instance remove mysql "
                   "--force");
    assert_int_equal(rules_remove_instance(mesh, "mysql", true, &refusal), 0);
}

static void an_instance_that_nobody_uses_does_not(void **state)
{
    struct mesh *mesh = *state;
    struct model_connection row = support_connection("c-2", "blog.db redis.data");
    struct refusal refusal;

    support_put_connection(mesh, "c-1", "wordpress.db mysql.sql");
    assert_int_equal(rules_remove_instance(mesh, "wordpress", false, &refusal), 0);
    row.removing = true; /* going already */
    mesh_put_connection(mesh, &row);
    assert_int_equal(rules_remove_instance(mesh, "redis", false, &refusal), 0);
}

static void no_instance_is_removed_twice(void **state)
{
    struct mesh *mesh = *state;
    struct refusal refusal;

    put_removing_instance(mesh, "mysql");
    assert_refusal(rules_remove_instance(mesh, "mysql", true, &refusal), &refusal, 409,
                   "already-removing", "instance mysql is being removed: wait until it is gone");
    assert_refusal(rules_remove_instance(mesh, "nobody", true, &refusal), &refusal, 404,
                   "instance-unknown",
                   "there is no instance nobody: appnet instance list shows those there are, and "
                   "appnet instance apply FILE makes one before it starts");
    assert_refusal(rules_remove_instance(mesh, "No", true, &refusal), &refusal, 422, "name-invalid",
                   "\"No\" is no name of an instance: expected " NAME_EXPECTED);
}

/* ---- new descriptions ---- */

static int replace(const struct mesh *mesh, const char *name, const char *words,
                   struct refusal *refusal)
{
    struct model_instance *instance = support_instance(name, words);
    int rc = rules_replace_instance(mesh, instance, refusal);

    model_instance_free(instance);
    return rc;
}

static void a_free_instance_may_become_anything(void **state)
{
    struct refusal refusal;

    assert_int_equal(replace(*state, "new", "a b:1", &refusal), 0);
    assert_int_equal(replace(*state, "mysql", "", &refusal), 0);
    assert_int_equal(replace(*state, "mysql", "sql", &refusal), 0);
}

static void an_interface_in_use_stays(void **state)
{
    struct mesh *mesh = *state;
    struct refusal refusal;

    support_put_connection(mesh, "c-1", "wordpress.db mysql.sql");
    assert_refusal(replace(mesh, "mysql", "console:8080", &refusal), &refusal, 409,
                   "interface-in-use",
                   "inbound sql of mysql is connected, and the new description drops it; "
                   "disconnect it first: appnet remove wordpress db mysql sql");
    assert_refusal(replace(mesh, "wordpress", "cache", &refusal), &refusal, 409, "interface-in-use",
                   "outbound db of wordpress is connected, and the new description drops it; "
                   "disconnect it first: appnet remove wordpress db mysql sql");
    assert_refusal(replace(mesh, "mysql", "sql", &refusal), &refusal, 409, "interface-in-use",
                   "inbound sql of mysql is connected, and the new description turns it round; "
                   "disconnect it first: appnet remove wordpress db mysql sql");
    assert_int_equal(replace(mesh, "mysql", "sql:3307", &refusal), 0); /* its port may change */
    assert_int_equal(replace(mesh, "wordpress", "db", &refusal), 0);   /* and whether required */
}

static void an_instance_on_its_way_out_does_not_change(void **state)
{
    struct refusal refusal;

    put_removing_instance(*state, "mysql");
    assert_refusal(replace(*state, "mysql", "sql:3306", &refusal), &refusal, 409,
                   "already-removing", "instance mysql is being removed: wait until it is gone");
    assert_refusal(replace(*state, "My", "sql:3306", &refusal), &refusal, 422, "name-invalid",
                   "\"My\" is no name of an instance: expected " NAME_EXPECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest rules[] = {
        TEST(an_outbound_goes_to_an_inbound),
        TEST(rule_1_only_from_an_outbound),
        TEST(rule_1_only_to_an_inbound),
        TEST(rule_1_tells_how_to_turn_it_round),
        TEST(rule_2_never_to_itself),
        TEST(rule_3_one_connection_for_an_outbound),
        TEST(rule_3_holds_until_the_old_one_is_gone),
        TEST(rule_4_many_outbounds_for_an_inbound),
        TEST(what_is_unknown_is_named),
        TEST(a_long_list_is_cut),
        TEST(long_names_stay_within_the_sentence),
        TEST(names_are_checked_first),
        TEST(an_instance_on_its_way_out_gets_no_connections),
        TEST(rule_6_a_required_outbound_needs_confirmation),
        TEST(any_other_does_not),
        TEST(nothing_is_disconnected_twice),
        TEST(rule_7_an_instance_in_use_needs_confirmation),
        TEST(an_instance_that_nobody_uses_does_not),
        TEST(no_instance_is_removed_twice),
        TEST(a_free_instance_may_become_anything),
        TEST(an_interface_in_use_stays),
        TEST(an_instance_on_its_way_out_does_not_change),
    };

    return cmocka_run_group_tests(rules, NULL, NULL);
}
