#include "appnet/sidecar/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/config/config.h"
#include "appnet/sidecar/policy.h"
#include "sidecar_support.h"
#include "support.h"

#define LINE                                                                               \
    "{\"type\":\"snapshot\",\"revision\":1,\"view\":\"d\",\"connections\":["               \
    "{\"id\":\"c-1\",\"role\":\"source\",\"outbound\":\"db\",\"instance\":\"mysql\","      \
    "\"inbound\":\"sql\",\"port\":3306,\"addresses\":[\"10.0.0.7:15008\"]},"               \
    "{\"id\":\"c-2\",\"role\":\"source\",\"outbound\":\"unknown\",\"instance\":\"redis\"," \
    "\"inbound\":\"keys\",\"port\":6379,\"addresses\":[]},"                                \
    "{\"id\":\"c-3\",\"role\":\"source\",\"outbound\":\"odd\",\"instance\":\"redis\","     \
    "\"inbound\":\"keys\",\"port\":0,\"addresses\":[]},"                                   \
    "{\"id\":\"c-4\",\"role\":\"source\",\"outbound\":\"mail\",\"instance\":\"shop\","     \
    "\"inbound\":\"http\",\"port\":80,\"addresses\":[]},"                                  \
    "{\"id\":\"c-5\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\","      \
    "\"outbound\":\"page\"}]}"

static void on_changed(void *argument, const struct snapshot_outbound *outbound,
                       const struct connection_state *state)
{
    (void)argument;
    (void)outbound;
    (void)state;
}

static const char *text_of(const json_t *list, const char *id, const char *key)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "id")), id) == 0) {
            return json_string_value(json_object_get(entry, key));
        }
    }
    fail_msg("%s is not reported", id);
    return NULL;
}

static int64_t number_of(const json_t *list, const char *id, const char *key)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "id")), id) == 0) {
            return json_integer_value(json_object_get(entry, key));
        }
    }
    fail_msg("%s is not reported", id);
    return 0;
}

static void speaks_of_every_connection(void **state)
{
    static const struct connection_state established = {.status = CONNECTION_ESTABLISHED};
    struct worker_use uses[2][2] = {
        {{.is_source = true, .name = "db", .id = "c-1", .streams = 2, .sent = 10, .received = 5},
         {.name = "http", .id = "c-5", .streams = 1, .sent = 7, .received = 8}},
        {{.name = "http", .id = "c-5", .streams = 4, .sent = 1, .received = 2},
         {.is_source = true,
          .name = "db",
          .id = "c-1",
          .streams = 3,
          .sent = 100,
          .received = 50}}};
    struct worker_report reports[2] = {{.uses = uses[0], .use_count = 2},
                                       {.uses = uses[1], .use_count = 2}};
    struct worker_report *both[2] = {&reports[0], &reports[1]};
    const struct report_use use = {.reports = both, .workers = 2};
    const struct report_use none = {.workers = 2};
    struct error err = ERROR_INIT;
    struct config *config = support_config("outbounds = ({ name = \"db\"; }, { name = \"odd\"; },"
                                           "{ name = \"mail\"; });"
                                           "inbounds = ({ name = \"http\";"
                                           " target = \"127.0.0.1:80\"; });",
                                           &err);
    struct board *board = board_new(1, on_changed, NULL);
    struct view *view = view_new();
    struct snapshot *snapshot;
    json_t *list;

    (void)state;
    assert_non_null(config);
    assert_int_equal(view_take(view, LINE, strlen(LINE), NULL, NULL), 0);
    snapshot = snapshot_from_view(config, view, NULL);
    assert_non_null(snapshot);
    board_apply(board, snapshot);

    list = report_connections(view, snapshot, board, &none);
    assert_int_equal(json_array_size(list), 5);
    assert_string_equal(text_of(list, "c-1", "role"), "source");
    assert_string_equal(text_of(list, "c-1", "status"), "WAITING");
    assert_null(text_of(list, "c-1", "reason"));
    assert_int_equal(number_of(list, "c-1", "streams"), 0);
    json_decref(list);

    board_listening(board, "db", NULL);
    board_report(board, 0, snapshot_find_outbound(snapshot, "db"), &established);
    list = report_connections(view, snapshot, board, &use);
    assert_string_equal(text_of(list, "c-1", "status"), "ESTABLISHED");
    assert_int_equal(number_of(list, "c-1", "streams"), 5);
    assert_int_equal(number_of(list, "c-1", "sent"), 110);
    assert_int_equal(number_of(list, "c-1", "received"), 55);
    /* what cannot be made here has failed, and says why */
    for (int i = 2; i <= 4; i++) {
        const char id[] = {'c', '-', (char)('0' + i), '\0'};

        assert_string_equal(text_of(list, id, "status"), "FAILED");
        assert_string_equal(text_of(list, id, "reason"), REASON_INTERFACE_WITHDRAWN);
    }
    assert_non_null(strstr(text_of(list, "c-2", "detail"), "unknown"));
    assert_non_null(strstr(text_of(list, "c-3", "detail"), "port"));
    assert_non_null(strstr(text_of(list, "c-4", "detail"), "itself"));
    assert_string_equal(text_of(list, "c-5", "role"), "target");
    assert_null(text_of(list, "c-5", "status"));
    assert_int_equal(number_of(list, "c-5", "streams"), 5);
    assert_int_equal(number_of(list, "c-5", "sent"), 8);
    json_decref(list);

    assert_int_equal(report_total(&use).streams, 10);
    assert_int_equal(report_total(&use).sent, 118);
    assert_int_equal(report_total(&none).streams, 0);
    snapshot_unref(snapshot);
    view_free(view);
    board_free(board);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest report[] = {
        cmocka_unit_test(speaks_of_every_connection),
    };

    return cmocka_run_group_tests(report, support_enter_folder, support_leave_folder);
}
