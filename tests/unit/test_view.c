#include "appnet/sidecar/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "support.h"

#define DB                                                                                    \
    "{\"id\":\"c-db\",\"role\":\"source\",\"outbound\":\"db\",\"instance\":\"mysql\","        \
    "\"inbound\":\"sql\",\"port\":3306,\"addresses\":[\"10.0.0.7:15008\",\"10.0.0.8:15008\"," \
    "\"10.0.0.7:15008\"]}"
#define CACHE                                                                                \
    "{\"id\":\"c-cache\",\"role\":\"source\",\"outbound\":\"cache\",\"instance\":\"redis\"," \
    "\"inbound\":\"keys\",\"port\":6379,\"addresses\":[]}"
#define BLOG                                                                             \
    "{\"id\":\"c-blog\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\"," \
    "\"outbound\":\"page\"}"
#define SNAPSHOT                                                                               \
    "{\"type\":\"snapshot\",\"revision\":12,\"view\":\"d12\",\"lease\":6,\"connections\":[" DB \
    "," BLOG "],\"trust_bundle\":\"PEM\"}"

static void must_take(struct view *view, const char *line, enum view_line expected)
{
    struct error err = ERROR_INIT;
    enum view_line kind;

    if (view_take(view, line, strlen(line), &kind, &err) != 0) {
        fail_msg("%s: %s", line, err.text);
    }
    assert_int_equal(kind, expected);
}

static struct view *told(void)
{
    struct view *view = view_new();

    must_take(view, SNAPSHOT, VIEW_SNAPSHOT);
    return view;
}

/* ---- */

static void knows_nothing_at_first(void **state)
{
    struct view *view = view_new();

    (void)state;
    assert_int_equal(view_count(view), 0);
    assert_int_equal(view_revision(view), 0);
    assert_string_equal(view_digest(view), "");
    assert_int_equal(view_lease(view), VIEW_LEASE_SECONDS);
    assert_null(view_trust_bundle(view));
    assert_null(view_find(view, "c-db"));
    view_free(view);
    view_free(NULL);
}

static void takes_a_snapshot(void **state)
{
    struct view *view = told();
    const struct view_connection *db = view_find(view, "c-db");
    const struct view_connection *blog = view_at(view, 0);

    (void)state;
    assert_int_equal(view_count(view), 2);
    assert_int_equal(view_revision(view), 12);
    assert_string_equal(view_digest(view), "d12");
    assert_int_equal(view_lease(view), 6);
    assert_string_equal(view_trust_bundle(view), "PEM");
    assert_non_null(db);
    assert_true(db->is_source);
    assert_string_equal(db->outbound, "db");
    assert_string_equal(db->instance, "mysql");
    assert_string_equal(db->inbound, "sql");
    assert_int_equal(db->port, 3306);
    assert_int_equal(db->address_count, 2); /* none twice */
    assert_string_equal(db->addresses[0].host, "10.0.0.7");
    assert_string_equal(db->addresses[1].host, "10.0.0.8");
    assert_string_equal(blog->id, "c-blog");
    assert_false(blog->is_source);
    assert_string_equal(blog->inbound, "http");
    assert_string_equal(blog->instance, "blog");
    assert_string_equal(blog->outbound, "page");

    /* another one replaces it, but not what it does not speak of */
    must_take(view, "{\"type\":\"snapshot\",\"revision\":3,\"view\":\"d3\",\"connections\":[]}",
              VIEW_SNAPSHOT);
    assert_int_equal(view_count(view), 0);
    assert_int_equal(view_revision(view), 3); /* the registry may have been set back */
    assert_int_equal(view_lease(view), 6);
    assert_string_equal(view_trust_bundle(view), "PEM");
    view_free(view);
}

static void takes_changes(void **state)
{
    struct view *view = told();

    (void)state;
    must_take(view,
              "{\"type\":\"change\",\"revision\":13,\"view\":\"d13\",\"put\":[" CACHE
              "],\"remove\":[\"c-blog\",\"c-unknown\"],\"trust_bundle\":\"PEM2\"}",
              VIEW_CHANGE);
    assert_int_equal(view_revision(view), 13);
    assert_string_equal(view_digest(view), "d13");
    assert_string_equal(view_trust_bundle(view), "PEM2");
    assert_int_equal(view_count(view), 2);
    assert_non_null(view_find(view, "c-db"));
    assert_non_null(view_find(view, "c-cache"));
    assert_null(view_find(view, "c-blog"));

    /* one that is there is replaced; one plug may change hands within one line */
    must_take(view,
              "{\"type\":\"change\",\"revision\":14,\"view\":\"d14\",\"put\":["
              "{\"id\":\"c-cache\",\"role\":\"source\",\"outbound\":\"cache\","
              "\"instance\":\"redis\",\"inbound\":\"keys\",\"port\":6379,"
              "\"addresses\":[\"[fd00::1]:15008\"]},"
              "{\"id\":\"c-db2\",\"role\":\"source\",\"outbound\":\"db\","
              "\"instance\":\"mariadb\",\"inbound\":\"sql\",\"port\":3307,\"addresses\":[]}],"
              "\"remove\":[\"c-db\"]}",
              VIEW_CHANGE);
    assert_int_equal(view_count(view), 2);
    assert_int_equal(view_find(view, "c-cache")->address_count, 1);
    assert_string_equal(view_find(view, "c-cache")->addresses[0].host, "fd00::1");
    assert_string_equal(view_find(view, "c-db2")->instance, "mariadb");
    must_take(view,
              "{\"type\":\"change\",\"revision\":15,\"view\":\"d15\",\"put\":[],\"remove\":[]}",
              VIEW_CHANGE);
    assert_int_equal(view_count(view), 2);
    view_free(view);
}

static void goes_on_from_what_it_has(void **state)
{
    struct view *view = told();

    (void)state;
    must_take(view, "{\"type\":\"resume\",\"revision\":20,\"view\":\"d12\",\"lease\":9}",
              VIEW_RESUME);
    assert_int_equal(view_revision(view), 20);
    assert_int_equal(view_lease(view), 9);
    assert_int_equal(view_count(view), 2);
    must_take(view, "{\"type\":\"alive\"}", VIEW_ALIVE);
    must_take(view, "{\"type\":\"from-the-future\",\"revision\":\"x\",\"put\":7}", VIEW_ALIVE);
    assert_int_equal(view_revision(view), 20);
    view_free(view);
}

/* ---- what is wrong ---- */

static void must_refuse(const char *line, size_t length)
{
    struct view *view = told();
    char *before = view_text(view);
    struct error err = ERROR_INIT;
    char *after;

    if (view_take(view, line, length, NULL, &err) == 0) {
        fail_msg("taken: %.*s", (int)length, line);
    }
    assert_string_not_equal(err.text, "");
    after = view_text(view);
    assert_string_equal(before, after);
    assert_int_equal(view_lease(view), 6);
    assert_int_equal(view_take(view, line, length, NULL, NULL), -1);
    free(before);
    free(after);
    view_free(view);
}

#define WITH(connections) \
    "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d13\",\"connections\":[" connections "]}"
#define SOURCE(fields)                                                                            \
    WITH("{\"role\":\"source\",\"id\":\"c-1\",\"instance\":\"mysql\",\"inbound\":\"sql\"," fields \
         "}")
#define CHANGE(rest) "{\"type\":\"change\",\"revision\":13,\"view\":\"d13\"," rest "}"

static void takes_nothing_of_a_line_that_is_wrong(void **state)
{
    static const char *const lines[] = {
        "",
        "x",
        "{",
        "[]",
        "7",
        "null",
        "{}",
        "{\"type\":7}",
        SNAPSHOT "x",
        SNAPSHOT SNAPSHOT,
        "{\"type\":\"snapshot\",\"type\":\"alive\"}",
        "{\"type\":\"snapshot\"}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d13\"}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d13\",\"connections\":{}}",
        "{\"type\":\"snapshot\",\"revision\":-1,\"view\":\"d13\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":1.5,\"view\":\"d13\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":99999999999999999999,\"view\":\"d\","
        "\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"a b\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"a&b=c\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"a\\nb\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\\u0000\",\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":7,\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\",\"lease\":0,\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\",\"lease\":86401,"
        "\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\",\"lease\":\"6\","
        "\"connections\":[]}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\",\"connections\":[],"
        "\"trust_bundle\":7}",
        "{\"type\":\"snapshot\",\"revision\":13,\"view\":\"d\",\"connections\":[],"
        "\"trust_bundle\":\"\"}",
        WITH("7"),
        WITH("{}"),
        WITH(DB "," DB),
        WITH("{\"id\":\"c-1\",\"role\":\"bystander\",\"inbound\":\"http\",\"instance\":\"blog\","
             "\"outbound\":\"page\"}"),
        WITH("{\"id\":\"c-1\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\"}"),
        WITH("{\"id\":\"c-1\",\"role\":\"target\",\"inbound\":\"HTTP\",\"instance\":\"blog\","
             "\"outbound\":\"page\"}"),
        WITH("{\"id\":\"../c\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\","
             "\"outbound\":\"page\"}"),
        WITH("{\"id\":\"c-1\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"a\\u0000b\","
             "\"outbound\":\"page\"}"),
        /* the plug of another, twice; and the same id twice */
        WITH(BLOG ",{\"id\":\"c-1\",\"role\":\"target\",\"inbound\":\"admin\","
                  "\"instance\":\"blog\",\"outbound\":\"page\"}"),
        WITH(BLOG ",{\"id\":\"c-blog\",\"role\":\"target\",\"inbound\":\"http\","
                  "\"instance\":\"desk\",\"outbound\":\"page\"}"),
        SOURCE("\"port\":3306,\"addresses\":[]"),
        SOURCE("\"outbound\":\"db\",\"addresses\":[]"),
        SOURCE("\"outbound\":\"db\",\"port\":3306"),
        SOURCE("\"outbound\":\"db\",\"port\":65536,\"addresses\":[]"),
        SOURCE("\"outbound\":\"db\",\"port\":-1,\"addresses\":[]"),
        SOURCE("\"outbound\":\"db\",\"port\":\"3306\",\"addresses\":[]"),
        SOURCE("\"outbound\":\"db\",\"port\":3306,\"addresses\":\"10.0.0.7:15008\""),
        SOURCE("\"outbound\":\"db\",\"port\":3306,\"addresses\":[7]"),
        SOURCE("\"outbound\":\"db\",\"port\":3306,\"addresses\":[\"10.0.0.7\"]"),
        SOURCE("\"outbound\":\"db\",\"port\":3306,\"addresses\":[\"10.0.0.7:0\"]"),
        CHANGE("\"put\":[]"),
        CHANGE("\"remove\":[]"),
        CHANGE("\"put\":7,\"remove\":[]"),
        CHANGE("\"put\":[" CACHE "],\"remove\":7"),
        CHANGE("\"put\":[" CACHE "],\"remove\":[7]"),
        CHANGE("\"put\":[" CACHE ",7],\"remove\":[]"),
        CHANGE("\"put\":[" CACHE "," CACHE "],\"remove\":[\"c-blog\"]"),
        /* a plug that is connected already */
        CHANGE("\"put\":[{\"id\":\"c-2\",\"role\":\"source\",\"outbound\":\"db\","
               "\"instance\":\"mariadb\",\"inbound\":\"sql\",\"port\":3306,\"addresses\":[]}],"
               "\"remove\":[\"c-blog\"]"),
        "{\"type\":\"change\",\"put\":[" CACHE "],\"remove\":[]}",
        "{\"type\":\"resume\",\"revision\":13,\"view\":\"another\",\"lease\":9}",
        "{\"type\":\"resume\",\"revision\":13,\"lease\":9}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        must_refuse(lines[i], strlen(lines[i]));
    }
    must_refuse(SNAPSHOT, strlen(SNAPSHOT) + 1); /* with its zero byte */
    must_refuse("\xff\xfe{}", 4);
}

static void takes_no_change_before_there_is_something_to_change(void **state)
{
    static const char *const lines[] = {
        CHANGE("\"put\":[" CACHE "],\"remove\":[]"),
        "{\"type\":\"resume\",\"revision\":13,\"view\":\"d13\",\"lease\":9}",
    };
    struct view *view = view_new();

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(view_take(view, lines[i], strlen(lines[i]), NULL, NULL), -1);
        assert_string_equal(view_digest(view), "");
        assert_int_equal(view_count(view), 0);
    }
    view_free(view);
}

static void bounds_the_addresses_of_one_connection(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *list = memory_strdup("");
        struct view *view = view_new();
        char *line;

        for (int i = 0; i < VIEW_ADDRESSES_MAX + more; i++) {
            char *longer =
                memory_printf("%s%s\"10.0.%d.%d:15008\"", list, i ? "," : "", i / 256, i % 256);
            free(list);
            list = longer;
        }
        line = memory_printf(
            "{\"type\":\"snapshot\",\"revision\":1,\"view\":\"d\",\"connections\":[{\"id\":\"c\","
            "\"role\":\"source\",\"outbound\":\"db\",\"instance\":\"mysql\",\"inbound\":\"sql\","
            "\"port\":1,\"addresses\":[%s]}]}",
            list);
        assert_int_equal(view_take(view, line, strlen(line), NULL, NULL), more ? -1 : 0);
        assert_int_equal(view_count(view), !more);
        if (!more) {
            assert_int_equal(view_at(view, 0)->address_count, VIEW_ADDRESSES_MAX);
        }
        view_free(view);
        free(line);
        free(list);
    }
}

/* Bytes changed, cut out and put in at random: it is taken or refused, and never half of it. */
static void bears_damaged_lines(void **state)
{
    static const char *const seeds[] = {SNAPSHOT,
                                        CHANGE("\"put\":[" CACHE "],\"remove\":[\"c-db\"]"),
                                        "{\"type\":\"resume\",\"revision\":20,\"view\":\"d12\"}"};
    static const char marks[16] = "{}[]\",:0 \\cd9-x.";
    uint32_t dice = 12345;
    unsigned taken = 0;

    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct view *view = told();
        char *line = memory_strdup(seeds[round % 3]);
        size_t length = strlen(line);
        char *before = view_text(view);
        char *after;

        for (int hits = 0; hits < 1 + round % 4; hits++) {
            dice = dice * 1664525 + 1013904223;
            line[(dice >> 8) % length] = round % 2 ? (char)(dice >> 24) : marks[dice >> 28];
        }
        dice = dice * 1664525 + 1013904223;
        if (round % 5 == 0) {
            length = (dice >> 8) % length;
        }
        if (view_take(view, line, length, NULL, NULL) == 0) {
            taken++;
        } else {
            after = view_text(view);
            assert_string_equal(before, after);
            free(after);
        }
        free(before);
        free(line);
        view_free(view);
    }
    assert_in_range(taken, 1, 29999);
}

/* ---- the file ---- */

static void comes_back_from_its_file(void **state)
{
    struct view *view = told();
    struct error err = ERROR_INIT;
    struct view *back;
    struct stat status;
    char *text;
    char *again;

    (void)state;
    assert_int_equal(view_save(view, "snapshot.json", &err), 0);
    assert_int_equal(stat("snapshot.json", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    back = view_load("snapshot.json", &err);
    if (!back) {
        fail_msg("%s", err.text);
    }
    text = view_text(view);
    again = view_text(back);
    assert_string_equal(text, again);
    assert_string_equal(view_digest(back), "d12");
    assert_int_equal(view_revision(back), 12);
    assert_string_equal(view_trust_bundle(back), "PEM");
    assert_int_equal(view_find(back, "c-db")->address_count, 2);
    must_take(back, "{\"type\":\"resume\",\"revision\":12,\"view\":\"d12\",\"lease\":15}",
              VIEW_RESUME);
    free(text);
    free(again);
    view_free(view);
    view_free(back);
}

static void has_no_file_at_first(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(view_load("no-such-file.json", &err));
    assert_string_equal(err.text, "");
}

static void says_what_is_wrong_with_its_file(void **state)
{
    static const char *const texts[] = {"", "{}", "{\"view\":\"d\"", "[]",
                                        "{\"view\":\"d\",\"revision\":1,\"connections\":[7]}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct error err = ERROR_INIT;

        assert_int_equal(file_write("bad.json", texts[i], strlen(texts[i]), 0600, false, NULL), 0);
        assert_null(view_load("bad.json", &err));
        assert_non_null(strstr(err.text, "bad.json"));
    }
}

static void keeps_its_file_when_it_cannot_write(void **state)
{
    struct view *view = told();
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(view_save(view, "no-such-folder/snapshot.json", &err), -1);
    assert_non_null(strstr(err.text, "no-such-folder"));
    view_free(view);
}

int main(void)
{
    const struct CMUnitTest view[] = {
        cmocka_unit_test(knows_nothing_at_first),
        cmocka_unit_test(takes_a_snapshot),
        cmocka_unit_test(takes_changes),
        cmocka_unit_test(goes_on_from_what_it_has),
        cmocka_unit_test(takes_nothing_of_a_line_that_is_wrong),
        cmocka_unit_test(takes_no_change_before_there_is_something_to_change),
        cmocka_unit_test(bounds_the_addresses_of_one_connection),
        cmocka_unit_test(bears_damaged_lines),
        cmocka_unit_test(comes_back_from_its_file),
        cmocka_unit_test(has_no_file_at_first),
        cmocka_unit_test(says_what_is_wrong_with_its_file),
        cmocka_unit_test(keeps_its_file_when_it_cannot_write),
    };

    return cmocka_run_group_tests(view, support_enter_folder, support_leave_folder);
}
