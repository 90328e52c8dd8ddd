#include "appnet/sidecar/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "appnet/base/loop.h"
#include "appnet/sidecar/policy.h"
#include "sidecar_support.h"
#include "support.h"

#define WORKERS 2

struct scene {
    struct snapshot *snapshot;
    struct board *board;
    struct worker_report reports[WORKERS];
    struct worker_report *pointers[WORKERS];
    struct certificate_summary certificate;
    struct status status;
};

static void ignore_change(void *argument, const struct snapshot_outbound *outbound,
                          const struct connection_state *state)
{
    (void)argument;
    (void)outbound;
    (void)state;
}

static struct worker_tunnel tunnels[] = {
    {.id = 3,
     .is_client = true,
     .peer = "mysql",
     .address = "10.0.0.7:15008",
     .version = "TLSv1.3",
     .cipher = "TLS1-3-AES-128-GCM-SHA256",
     .engine = "gcrypt",
     .worker = 0,
     .streams = 5,
     .sent = 4294967296,
     .received = 12,
     .microseconds = 1234567},
    {.id = 4, .draining = true, .peer = "blog", .address = "10.0.0.9:40000", .worker = 1},
};
static struct worker_use uses[] = {
    {.is_source = true, .name = "db", .streams = 3},
    {.is_source = false, .name = "http", .streams = 4},
    {.is_source = false, .name = "db", .streams = 90}, /* an inbound of that name is another */
};

static void scene_make(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    scene->snapshot = support_snapshot(SUPPORT_LISTS, NULL);
    assert_non_null(scene->snapshot);
    scene->board = board_new(WORKERS, ignore_change, NULL);
    board_apply(scene->board, scene->snapshot);
    for (int i = 0; i < WORKERS; i++) {
        scene->pointers[i] = &scene->reports[i];
        scene->reports[i] = (struct worker_report){.tunnels = &tunnels[i],
                                                   .tunnel_count = 1,
                                                   .uses = uses,
                                                   .use_count = 3,
                                                   .opened = 10000000000,
                                                   .refused = 7,
                                                   .open = 8};
    }
    scene->certificate = (struct certificate_summary){.id = "spiffe://shop.example/instance/shop",
                                                      .serial = "4a0f",
                                                      .issuer = "O=shop.example, CN=appnet CA",
                                                      .not_before = 1577934245,
                                                      .not_after = 2493169445};
    scene->status = (struct status){.snapshot = scene->snapshot,
                                    .certificate = &scene->certificate,
                                    .board = scene->board,
                                    .reports = scene->pointers,
                                    .workers = WORKERS,
                                    .engine = "gcrypt",
                                    .started = loop_now() - 90000000};
}

static void scene_free(struct scene *scene)
{
    board_free(scene->board);
    snapshot_unref(scene->snapshot);
}

static void set_state(struct scene *scene, const char *outbound, enum connection_status status,
                      const char *reason, const char *detail)
{
    struct connection_state state = {.status = status, .reason = reason};

    snprintf(state.detail.text, sizeof(state.detail.text), "%s", detail);
    board_listening(scene->board, outbound, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        board_report(scene->board, i, snapshot_find_outbound(scene->snapshot, outbound), &state);
}

/* ---- JSON ---- */

static json_t *load(const struct scene *scene)
{
    char *text = status_json(&scene->status);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    if (!json)
        fail_msg("%s: %s", error.text, text);
    free(text);
    return json;
}

/* The object has these keys, in this order, and no other. */
static void assert_keys(const json_t *object, const char *expected)
{
    char found[500] = "";
    const char *key;
    json_t *value;

    assert_true(json_is_object(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", *found ? " " : "",
                 key);
    }
    assert_string_equal(found, expected);
}

/* Text for null, a string or a number. */
static void assert_value(const json_t *object, const char *key, const char *expected)
{
    char *text = json_dumps(json_object_get(object, key), JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void has_the_fields_that_programs_rely_on(void **state)
{
    struct scene scene;
    json_t *json;

    (void)state;
    scene_make(&scene);
    json = load(&scene);
    assert_keys(json, "instance trust_domain version pid state uptime_seconds workers engine "
                      "certificate registry outbounds inbounds tunnels streams");
    assert_keys(json_object_get(json, "certificate"), "id serial issuer not_before not_after");
    assert_keys(json_array_get(json_object_get(json, "outbounds"), 0),
                "name required listen connection instance inbound address addresses status "
                "reason detail streams");
    assert_keys(json_array_get(json_object_get(json, "inbounds"), 0), "name target streams");
    assert_keys(json_array_get(json_object_get(json, "tunnels"), 0),
                "id side peer address worker tls cipher engine state streams sent received "
                "seconds");
    assert_keys(json_object_get(json, "streams"), "open opened refused");
    json_decref(json);
    scene_free(&scene);
}

static void says_who_it_is(void **state)
{
    struct scene scene;
    json_t *json;
    json_t *certificate;
    char pid[20];

    (void)state;
    scene_make(&scene);
    json = load(&scene);
    certificate = json_object_get(json, "certificate");
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_value(json, "instance", "\"shop\"");
    assert_value(json, "trust_domain", "\"shop.example\"");
    assert_true(json_is_string(json_object_get(json, "version")));
    assert_value(json, "pid", pid);
    assert_value(json, "state", "\"running\"");
    assert_true(json_number_value(json_object_get(json, "uptime_seconds")) >= 90);
    assert_value(json, "workers", "2");
    assert_value(json, "engine", "\"gcrypt\"");
    assert_value(certificate, "id", "\"spiffe://shop.example/instance/shop\"");
    assert_value(certificate, "serial", "\"4a0f\"");
    assert_value(certificate, "issuer", "\"O=shop.example, CN=appnet CA\"");
    assert_value(certificate, "not_before", "\"2020-01-02T03:04:05Z\"");
    assert_value(certificate, "not_after", "\"2049-01-02T03:04:05Z\"");
    json_decref(json);
    scene.status.draining = true;
    json = load(&scene);
    assert_value(json, "state", "\"draining\"");
    json_decref(json);
    scene_free(&scene);
}

static void shows_outbounds_with_what_was_measured(void **state)
{
    struct scene scene;
    json_t *json;
    json_t *list;
    json_t *db;
    json_t *cache;
    json_t *mail;

    (void)state;
    scene_make(&scene);
    set_state(&scene, "db", CONNECTION_ESTABLISHED, NULL, "");
    set_state(&scene, "cache", CONNECTION_FAILED, REASON_UNREACHABLE, "nobody \"there\"\n");
    json = load(&scene);
    list = json_object_get(json, "outbounds");
    assert_int_equal(json_array_size(list), 3);
    db = json_array_get(list, 0);
    assert_value(db, "name", "\"db\"");
    assert_value(db, "required", "true");
    assert_value(db, "listen", "\"127.0.0.1:3306\"");
    assert_value(db, "instance", "\"mysql\"");
    assert_value(db, "inbound", "\"sql\"");
    assert_value(db, "connection", "null");
    assert_value(db, "address", "\"10.0.0.7:15008\"");
    assert_value(db, "addresses", "[\"10.0.0.7:15008\"]");
    assert_value(db, "status", "\"ESTABLISHED\"");
    assert_value(db, "reason", "null");
    assert_value(db, "detail", "null");
    assert_value(db, "streams", "6"); /* over both workers */
    cache = json_array_get(list, 1);
    assert_value(cache, "required", "false");
    assert_value(cache, "status", "\"FAILED\"");
    assert_value(cache, "reason", "\"unreachable\"");
    assert_value(cache, "detail", "\"nobody \\\"there\\\"\\n\"");
    assert_value(cache, "streams", "0");
    mail = json_array_get(list, 2);
    assert_value(mail, "name", "\"mail\"");
    assert_value(mail, "listen", "\"127.0.0.1:2525\"");
    assert_value(mail, "instance", "null");
    assert_value(mail, "inbound", "null");
    assert_value(mail, "address", "null");
    assert_value(mail, "addresses", "[]");
    assert_value(mail, "status", "null");
    assert_value(mail, "reason", "null");
    json_decref(json);
    scene_free(&scene);
}

static void shows_inbounds_tunnels_and_streams(void **state)
{
    struct scene scene;
    json_t *json;
    json_t *tunnel;

    (void)state;
    scene_make(&scene);
    json = load(&scene);
    assert_value(json_array_get(json_object_get(json, "inbounds"), 0), "name", "\"http\"");
    assert_value(json_array_get(json_object_get(json, "inbounds"), 0), "streams", "8");
    assert_value(json_array_get(json_object_get(json, "inbounds"), 1), "target", "\"[::1]:8080\"");
    assert_value(json_array_get(json_object_get(json, "inbounds"), 1), "streams", "0");
    assert_int_equal(json_array_size(json_object_get(json, "tunnels")), 2);
    tunnel = json_array_get(json_object_get(json, "tunnels"), 0);
    assert_value(tunnel, "id", "3");
    assert_value(tunnel, "side", "\"source\"");
    assert_value(tunnel, "peer", "\"mysql\"");
    assert_value(tunnel, "address", "\"10.0.0.7:15008\"");
    assert_value(tunnel, "worker", "0");
    assert_value(tunnel, "tls", "\"TLSv1.3\"");
    assert_value(tunnel, "cipher", "\"TLS1-3-AES-128-GCM-SHA256\"");
    assert_value(tunnel, "engine", "\"gcrypt\"");
    assert_value(tunnel, "state", "\"up\"");
    assert_value(tunnel, "streams", "5");
    assert_value(tunnel, "sent", "4294967296");
    assert_value(tunnel, "received", "12");
    assert_value(tunnel, "seconds", "1.234");
    tunnel = json_array_get(json_object_get(json, "tunnels"), 1);
    assert_value(tunnel, "side", "\"target\"");
    assert_value(tunnel, "state", "\"draining\"");
    assert_value(tunnel, "worker", "1");
    assert_value(json_object_get(json, "streams"), "open", "16");
    assert_value(json_object_get(json, "streams"), "opened", "20000000000");
    assert_value(json_object_get(json, "streams"), "refused", "14");
    json_decref(json);
    scene_free(&scene);
}

/* ---- metrics ---- */

static void assert_line(const char *text, const char *line)
{
    const char *found = strstr(text, line);

    if (!found || (found > text && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("no line \"%s\" in:\n%s", line, text);
}

/* The text format of Prometheus: comments of two kinds, and NAME{LABELS} VALUE whose HELP and TYPE
 * came before. */
static void assert_well_formed(const char *text)
{
    char *copy = strdup(text);
    char *rest;
    char name[100] = "";

    assert_non_null(copy);
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line + 7, "%99s", name), 1);
            assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, name, strlen(name)), 0);
            assert_true(strcmp(line + 7 + strlen(name), " gauge") == 0 ||
                        strcmp(line + 7 + strlen(name), " counter") == 0);
        } else {
            char *value = strrchr(line, ' ');
            char *end;

            assert_int_equal(strncmp(line, name, strlen(name)), 0);
            assert_true(line[strlen(name)] == ' ' || line[strlen(name)] == '{');
            assert_non_null(value);
            strtod(value + 1, &end);
            assert_true(end > value + 1 && *end == '\0');
        }
    }
    free(copy);
}

static void counts_for_prometheus(void **state)
{
    struct scene scene;
    char *text;

    (void)state;
    scene_make(&scene);
    set_state(&scene, "db", CONNECTION_ESTABLISHED, NULL, "");
    text = status_metrics(&scene.status);
    assert_well_formed(text);
    assert_line(text, "appnet_streams_open 16");
    assert_line(text, "appnet_streams_opened_total 20000000000");
    assert_line(text, "appnet_streams_refused_total 14");
    assert_line(text, "appnet_tunnels{side=\"source\"} 1");
    assert_line(text, "appnet_tunnels{side=\"target\"} 1");
    assert_line(text, "appnet_connection_established{outbound=\"db\",instance=\"mysql\","
                      "inbound=\"sql\"} 1");
    assert_line(text, "appnet_connection_established{outbound=\"cache\",instance=\"redis\","
                      "inbound=\"keys\"} 0");
    assert_null(strstr(text, "\"mail\""));
    assert_line(text, "appnet_certificate_expiry_seconds 2493169445");
    assert_non_null(strstr(text, "engine=\"gcrypt\""));
    free(text);
    scene_free(&scene);
}

/* ---- ready ---- */

static void assert_ready(const struct scene *scene, bool ready, const char *expected)
{
    char *text;

    assert_int_equal(status_ready(&scene->status, &text), ready);
    assert_string_equal(text, expected);
    free(text);
}

static void is_ready_when_what_is_required_works(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.status.reports = NULL;
    assert_ready(&scene, false,
                 "required outbound db: WAITING\nrequired outbound mail: not connected\n");
    set_state(&scene, "db", CONNECTION_FAILED, REASON_UNREACHABLE, "nobody answers");
    assert_ready(&scene, false,
                 "required outbound db: FAILED: nobody answers\n"
                 "required outbound mail: not connected\n");
    set_state(&scene, "db", CONNECTION_ESTABLISHED, NULL, "");
    assert_ready(&scene, false, "required outbound mail: not connected\n");
    for (unsigned i = 0; i < scene.snapshot->outbound_count; i++)
        scene.snapshot->outbounds[i].required = scene.snapshot->outbounds[i].connected;
    assert_ready(&scene, false, "required outbound cache: WAITING\n");
    set_state(&scene, "cache", CONNECTION_ESTABLISHED, NULL, "");
    assert_ready(&scene, true, "ready\n");
    scene.status.draining = true;
    assert_ready(&scene, false, "draining\n");
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest status[] = {
        cmocka_unit_test(has_the_fields_that_programs_rely_on),
        cmocka_unit_test(says_who_it_is),
        cmocka_unit_test(shows_outbounds_with_what_was_measured),
        cmocka_unit_test(shows_inbounds_tunnels_and_streams),
        cmocka_unit_test(counts_for_prometheus),
        cmocka_unit_test(is_ready_when_what_is_required_works),
    };

    return cmocka_run_group_tests(status, support_enter_folder, support_leave_folder);
}
