#include "appnet/sidecar/snapshot.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/base/memory.h"
#include "sidecar_support.h"
#include "support.h"

static struct snapshot *make(const char *lists)
{
    struct error err = ERROR_INIT;
    struct snapshot *snapshot = support_snapshot(lists, &err);

    if (!snapshot)
        fail_msg("%s", err.text);
    return snapshot;
}

static void has_what_the_configuration_says(void **state)
{
    struct snapshot *snapshot = make(SUPPORT_LISTS);
    const struct snapshot_outbound *db = snapshot_find_outbound(snapshot, "db");
    const struct snapshot_outbound *mail = snapshot_find_outbound(snapshot, "mail");
    const struct snapshot_inbound *http = snapshot_find_inbound(snapshot, "http");
    const struct snapshot_inbound *admin = snapshot_find_inbound(snapshot, "admin");
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_string_equal(snapshot->instance, "shop");
    assert_string_equal(snapshot->trust_domain, "shop.example");
    assert_int_equal(snapshot->outbound_count, 3);
    assert_non_null(db);
    assert_true(db->required);
    assert_int_equal(db->listen.port, 3306);
    assert_true(db->connected);
    assert_string_equal(db->instance, "mysql");
    assert_string_equal(db->inbound, "sql");
    assert_int_equal(db->port, 3306);
    assert_string_equal(db->id, "");
    assert_int_equal(db->address_count, 1);
    address_format(snapshot_addresses(snapshot, db), text, sizeof(text));
    assert_string_equal(text, "10.0.0.7:15008");
    assert_non_null(mail);
    assert_false(mail->connected);
    assert_string_equal(mail->instance, "");
    assert_string_equal(mail->inbound, "");
    assert_int_equal(snapshot->inbound_count, 2);
    assert_non_null(http);
    assert_int_equal(http->resolved.storage.ss_family, AF_INET);
    socket_address_format(&http->resolved, text, sizeof(text));
    assert_string_equal(text, "127.0.0.1:80");
    assert_non_null(admin);
    assert_int_equal(admin->resolved.storage.ss_family, AF_INET6);
    assert_null(snapshot_find_outbound(snapshot, "http")); /* an inbound's */
    assert_null(snapshot_find_inbound(snapshot, "db"));
    assert_null(snapshot_find_inbound(snapshot, ""));
    snapshot_unref(snapshot);
}

static void may_be_empty(void **state)
{
    struct snapshot *snapshot = make("");

    (void)state;
    assert_int_equal(snapshot->outbound_count, 0);
    assert_int_equal(snapshot->inbound_count, 0);
    assert_null(snapshot_find_outbound(snapshot, "db"));
    assert_null(snapshot_find_inbound(snapshot, "http"));
    assert_false(snapshot_allows(snapshot, "http", "blog", "page"));
    snapshot_unref(snapshot);
    snapshot_unref(NULL);
}

static void allows_what_is_written_and_nothing_else(void **state)
{
    static const char *const inbounds[] = {"http", "admin", "other", ""};
    static const char *const instances[] = {"blog", "desk", "shop", ""};
    static const char *const outbounds[] = {"page", "tools", "db", ""};
    struct snapshot *snapshot = make(SUPPORT_LISTS);
    unsigned allowed = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++) {
            for (int m = 0; m < 4; m++)
                allowed += snapshot_allows(snapshot, inbounds[i], instances[k], outbounds[m]);
        }
    }
    assert_int_equal(allowed, 3);
    assert_true(snapshot_allows(snapshot, "http", "blog", "page"));
    assert_true(snapshot_allows(snapshot, "http", "desk", "tools"));
    assert_true(snapshot_allows(snapshot, "admin", "desk", "tools"));
    assert_false(snapshot_allows(snapshot, "htt", "blog", "page"));
    assert_false(snapshot_allows(snapshot, "http", "blogs", "page"));
    snapshot_unref(snapshot);
}

/* What is written, with one more item in its list. */
static char *with_allow(char *lists, int instance, int outbound, const char *end)
{
    char *longer =
        memory_printf("%s{ inbound = \"http\"; instance = \"i%d\"; outbound = \"o%d\"; }%s", lists,
                      instance, outbound, end);

    free(lists);
    return longer;
}

static void finds_each_of_many_allowed(void **state)
{
    enum { MANY = 300, STEP = 7919 };
    char *lists = memory_strdup("inbounds = ({ name = \"http\"; target = \"127.0.0.1:80\"; });"
                                "allow = (");
    struct snapshot *snapshot;

    (void)state;
    for (int i = 0; i < MANY; i++)
        lists = with_allow(lists, i * STEP % MANY, i, i < MANY - 1 ? "," : ");");
    snapshot = make(lists);
    free(lists);
    for (int i = 0; i < MANY; i++) {
        char instance[20];
        char outbound[20];

        snprintf(instance, sizeof(instance), "i%d", i * STEP % MANY);
        snprintf(outbound, sizeof(outbound), "o%d", i);
        assert_true(snapshot_allows(snapshot, "http", instance, outbound));
        assert_false(snapshot_allows(snapshot, "http", instance, "o"));
        assert_false(snapshot_allows(snapshot, "http", "i", outbound));
    }
    snapshot_unref(snapshot);
}

static void says_which_inbound_has_no_address(void **state)
{
    struct error err = ERROR_INIT;
    char lists[300];
    char name[71];

    (void)state;
    memset(name, 'x', 70); /* too long a label to ask a name server for */
    name[70] = '\0';
    snprintf(lists, sizeof(lists), "inbounds = ({ name = \"http\"; target = \"%s:80\"; });", name);
    assert_null(support_snapshot(lists, &err));
    assert_memory_equal(err.text, "inbound http: ", strlen("inbound http: "));
}

static void knows_the_same_wire(void **state)
{
    struct snapshot *snapshot = make(SUPPORT_LISTS);
    const struct snapshot_outbound *db = snapshot_find_outbound(snapshot, "db");
    struct snapshot_outbound other = *db;

    (void)state;
    assert_true(snapshot_same_wire(db, &other));
    other.required = !other.required; /* the same wire all the same */
    assert_true(snapshot_same_wire(db, &other));
    other.address_count = 0;
    assert_true(snapshot_same_wire(db, &other));
    for (int difference = 0; difference < 7; difference++) {
        other = *db;
        switch (difference) {
        case 0:
            snprintf(other.name, sizeof(other.name), "db2");
            break;
        case 1:
            other.connected = false;
            break;
        case 2:
            snprintf(other.instance, sizeof(other.instance), "mysql2");
            break;
        case 3:
            snprintf(other.inbound, sizeof(other.inbound), "sql2");
            break;
        case 4:
            other.port++;
            break;
        case 5:
            snprintf(other.id, sizeof(other.id), "c-2");
            break;
        default:
            other.listen.port++;
        }
        assert_false(snapshot_same_wire(db, &other));
        assert_false(snapshot_same_wire(&other, db));
    }
    snapshot_unref(snapshot);
}

static void *use_for_a_while(void *argument)
{
    struct snapshot *snapshot = argument;

    for (int i = 0; i < 20000; i++) {
        snapshot_ref(snapshot);
        if (!snapshot_allows(snapshot, "http", "blog", "page"))
            return NULL;
        snapshot_unref(snapshot);
    }
    snapshot_unref(snapshot); /* the thread's own */
    return snapshot;
}

static void goes_with_the_last_who_uses_it(void **state)
{
    enum { THREADS = 4 };
    struct snapshot *snapshot = make(SUPPORT_LISTS);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_for_a_while, snapshot_ref(snapshot)),
                         0);
    snapshot_unref(snapshot); /* ours is not the last one */
    for (int i = 0; i < THREADS; i++) {
        void *done;

        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
}

/* ---- wired by the registry ---- */

#define VIEW_LINE                                                                               \
    "{\"type\":\"snapshot\",\"revision\":1,\"view\":\"d\",\"connections\":["                    \
    "{\"id\":\"c-1\",\"role\":\"source\",\"outbound\":\"db\",\"instance\":\"mysql\","           \
    "\"inbound\":\"sql\",\"port\":3306,\"addresses\":[\"10.0.0.7:15008\",\"10.0.0.8:15008\"]}," \
    "{\"id\":\"c-2\",\"role\":\"source\",\"outbound\":\"cache\",\"instance\":\"redis\","        \
    "\"inbound\":\"keys\",\"port\":6379,\"addresses\":[]},"                                     \
    "{\"id\":\"c-3\",\"role\":\"source\",\"outbound\":\"unknown\",\"instance\":\"redis\","      \
    "\"inbound\":\"keys\",\"port\":6379,\"addresses\":[\"10.0.0.9:15008\"]},"                   \
    "{\"id\":\"c-4\",\"role\":\"source\",\"outbound\":\"mail\",\"instance\":\"shop\","          \
    "\"inbound\":\"http\",\"port\":80,\"addresses\":[\"10.0.0.9:15008\"]},"                     \
    "{\"id\":\"c-5\",\"role\":\"source\",\"outbound\":\"odd\",\"instance\":\"redis\","          \
    "\"inbound\":\"keys\",\"port\":0,\"addresses\":[\"10.0.0.9:15008\"]},"                      \
    "{\"id\":\"c-6\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"desk\","           \
    "\"outbound\":\"tools\"},"                                                                  \
    "{\"id\":\"c-7\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\","           \
    "\"outbound\":\"page\"},"                                                                   \
    "{\"id\":\"c-8\",\"role\":\"target\",\"inbound\":\"none\",\"instance\":\"blog\","           \
    "\"outbound\":\"other\"}]}"

static struct config *load_config(const char *lists)
{
    struct error err = ERROR_INIT;
    struct config *config = support_config(lists, &err);

    if (!config)
        fail_msg("%s", err.text);
    return config;
}

static void is_wired_as_the_view_says(void **state)
{
    struct config *config =
        load_config("outbounds = ({ name = \"db\"; required = true; },"
                    "             { name = \"cache\"; listen = \"127.0.0.2:7000\"; },"
                    "             { name = \"mail\"; }, { name = \"odd\"; });"
                    "inbounds = ({ name = \"http\"; target = \"127.0.0.1:80\"; });");
    struct view *view = view_new();
    struct snapshot *base;
    struct snapshot *snapshot;
    const struct snapshot_outbound *db;
    const struct snapshot_outbound *cache;

    (void)state;
    base = snapshot_from_view(config, NULL, NULL);
    assert_non_null(base);
    assert_int_equal(base->outbound_count, 4);
    assert_false(base->outbounds[0].connected);
    assert_int_equal(view_take(view, VIEW_LINE, strlen(VIEW_LINE), NULL, NULL), 0);
    snapshot = snapshot_rewire(base, config, view);
    snapshot_unref(base);
    db = snapshot_find_outbound(snapshot, "db");
    assert_true(db->connected);
    assert_true(db->required);
    assert_string_equal(db->id, "c-1");
    assert_string_equal(db->instance, "mysql");
    assert_string_equal(db->inbound, "sql");
    assert_int_equal(db->port, 3306);
    assert_string_equal(db->listen.host, "127.0.0.1"); /* rule 5 */
    assert_int_equal(db->listen.port, 3306);
    assert_int_equal(db->address_count, 2);
    assert_string_equal(snapshot_addresses(snapshot, db)[1].host, "10.0.0.8");
    cache = snapshot_find_outbound(snapshot, "cache");
    assert_true(cache->connected);
    assert_int_equal(cache->port, 6379);
    assert_string_equal(cache->listen.host, "127.0.0.2"); /* its own */
    assert_int_equal(cache->listen.port, 7000);
    assert_int_equal(cache->address_count, 0);
    assert_false(snapshot_find_outbound(snapshot, "mail")->connected); /* to itself: never */
    assert_false(snapshot_find_outbound(snapshot, "odd")->connected);  /* no port to listen on */
    assert_int_equal(snapshot->allow_count, 2);
    assert_true(snapshot_allows(snapshot, "http", "desk", "tools"));
    assert_true(snapshot_allows(snapshot, "http", "blog", "page"));
    assert_false(snapshot_allows(snapshot, "none", "blog", "other"));
    assert_string_equal(snapshot->allows[0].id, "c-7");
    assert_int_equal(snapshot_find_inbound(snapshot, "http")->resolved.storage.ss_family, AF_INET);

    /* and what is taken back is gone */
    base = snapshot;
    snapshot = snapshot_rewire(base, config, NULL);
    snapshot_unref(base);
    assert_false(snapshot_find_outbound(snapshot, "db")->connected);
    assert_int_equal(snapshot_find_outbound(snapshot, "db")->listen.port, 0);
    assert_int_equal(snapshot->allow_count, 0);
    snapshot_unref(snapshot);
    view_free(view);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest snapshot[] = {
        cmocka_unit_test(has_what_the_configuration_says),
        cmocka_unit_test(may_be_empty),
        cmocka_unit_test(allows_what_is_written_and_nothing_else),
        cmocka_unit_test(finds_each_of_many_allowed),
        cmocka_unit_test(says_which_inbound_has_no_address),
        cmocka_unit_test(is_wired_as_the_view_says),
        cmocka_unit_test(knows_the_same_wire),
        cmocka_unit_test(goes_with_the_last_who_uses_it),
    };

    return cmocka_run_group_tests(snapshot, support_enter_folder, support_leave_folder);
}
