#include "appnet/sidecar/membership.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/memory.h"
#include "appnet/http/http2_door.h"
#include "appnet/identity/authority.h"
#include "sidecar_support.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

#define SNAPSHOT(digest, lease, connections)                                          \
    "{\"type\":\"snapshot\",\"revision\":7,\"view\":\"" digest "\",\"lease\":" #lease \
    ",\"connections\":[" connections "]}\n"
#define DB                                                                             \
    "{\"id\":\"c-db\",\"role\":\"source\",\"outbound\":\"db\",\"instance\":\"mysql\"," \
    "\"inbound\":\"sql\",\"port\":3306,\"addresses\":[]}"
#define PAGE                                                                             \
    "{\"id\":\"c-page\",\"role\":\"target\",\"inbound\":\"http\",\"instance\":\"blog\"," \
    "\"outbound\":\"page\"}"
#define CHANGE(digest, put, removed)                                                 \
    "{\"type\":\"change\",\"revision\":8,\"view\":\"" digest "\",\"put\":[" put "]," \
    "\"remove\":[" removed "]}\n"

/* A sidecar's membership and a registry that the test plays, on one loop. */
struct scene {
    struct loop *loop;
    /* the registry */
    struct address address;
    struct http2_door *door; /* NULL: it is away */
    struct http_exchange *watch;
    unsigned watches, reports;
    char query[256];    /* of the last watch */
    char *report;       /* the last one */
    const char *greets; /* said at once to whoever watches; NULL: nothing */
    const char *problem;
    bool mute; /* reports get no answer */
    /* the sidecar */
    struct config *config;
    struct identity *identity;
    struct handshaker *handshaker;
    struct membership *membership;
    unsigned views, unknown;
};

/* ---- the registry ---- */

static void on_watch_closed(void *argument)
{
    struct scene *scene = argument;

    scene->watch = NULL;
}

static void serve_watch(struct scene *scene, struct http_exchange *exchange)
{
    scene->watches++;
    snprintf(scene->query, sizeof scene->query, "%s", http_exchange_request(exchange)->query);
    if (scene->problem) {
        http_exchange_answer(exchange, 403, "application/problem+json", scene->problem,
                             strlen(scene->problem));
        return;
    }
    scene->watch = exchange;
    http_exchange_on_closed(exchange, on_watch_closed, scene);
    http_exchange_begin(exchange, 200, "application/x-ndjson");
    if (scene->greets) {
        http_exchange_write(exchange, scene->greets, strlen(scene->greets));
    }
}

static void serve(void *argument, struct http_exchange *exchange)
{
    struct scene *scene = argument;
    const struct http_request *request = http_exchange_request(exchange);

    assert_non_null(request->peer);
    assert_string_equal(request->peer->instance, "shop");
    if (strcmp(request->path, "/v1/sidecar/watch") == 0) {
        assert_string_equal(request->method, "GET");
        serve_watch(scene, exchange);
        return;
    }
    assert_string_equal(request->path, "/v1/sidecar/report");
    assert_string_equal(request->method, "POST");
    free(scene->report);
    scene->report = memory_strdup(request->body);
    scene->reports++;
    if (!scene->mute) {
        http_exchange_answer(exchange, 200, "application/json", "{\"revision\":7}", 14);
    }
}

static struct handshaker *registry_handshaker(void)
{
    static const char *const names[] = {"127.0.0.1"};
    struct error err = ERROR_INIT;
    struct authority *authority = authority_load("ca", SUPPORT_DOMAIN, &err);
    struct identity *identity =
        authority ? authority_registry_identity(authority, names, 1, 3600, &err) : NULL;
    struct handshaker *handshaker = handshaker_new(1, NULL, &err);

    if (!identity || handshaker_set_identity(handshaker, identity, &err) != 0) {
        fail_msg("%s", err.text);
    }
    identity_free(identity);
    authority_free(authority);
    return handshaker;
}

static void registry_comes(struct scene *scene)
{
    const struct http_handler handler = {.serve = serve, .argument = scene};
    struct error err = ERROR_INIT;
    int fd;

    if (acceptor_open(&scene->address, &fd, 1, &err) != 0 ||
        !(scene->door = http2_door_new(scene->loop, registry_handshaker(), fd, &handler, &err))) {
        fail_msg("%s", err.text);
    }
}

static void registry_goes(struct scene *scene)
{
    http2_door_free(scene->door);
    scene->door = NULL;
}

static void say(struct scene *scene, const char *lines)
{
    assert_non_null(scene->watch);
    assert_int_equal(http_exchange_write(scene->watch, lines, strlen(lines)), 0);
}

/* ---- the sidecar ---- */

static void on_view(void *argument)
{
    struct scene *scene = argument;

    scene->views++;
}

static json_t *on_report(void *argument)
{
    (void)argument;
    return json_pack("[{s:s}]", "id", "c-db");
}

static void on_unknown(void *argument)
{
    struct scene *scene = argument;

    scene->unknown++;
}

static void sidecar_comes(struct scene *scene)
{
    const struct membership_handlers handlers = {
        .view = on_view, .report = on_report, .unknown = on_unknown, .argument = scene};
    struct error err = ERROR_INIT;

    scene->membership =
        membership_new(scene->loop, scene->handshaker, scene->config, &handlers, &err);
    if (!scene->membership) {
        fail_msg("%s", err.text);
    }
    membership_identify(scene->membership, scene->identity);
    membership_start(scene->membership);
}

static void scene_make(struct scene *scene)
{
    struct error err = ERROR_INIT;
    char *lists;

    memset(scene, 0, sizeof *scene);
    assert_int_equal(system("rm -rf state"), 0);
    scene->loop = loop_new("test", NULL);
    support_free_address(&scene->address);
    lists = memory_printf("state_dir = \"state\";"
                          "outbounds = ({ name = \"db\"; required = true; },"
                          "             { name = \"mail\"; listen = \"127.0.0.1:2525\"; });"
                          "inbounds = ({ name = \"http\"; target = \"127.0.0.1:80\"; });");
    scene->config = support_config(lists, &err);
    free(lists);
    if (!scene->config) {
        fail_msg("%s", err.text);
    }
    free(scene->config->registry.address);
    scene->config->registry.address =
        memory_printf("%s:%u", scene->address.host, scene->address.port);
    scene->identity = support_identity("ca", "shop");
    scene->handshaker = support_handshaker(1, "shop");
    registry_comes(scene);
    sidecar_comes(scene);
}

static void sidecar_goes(struct scene *scene)
{
    membership_free(scene->membership);
    scene->membership = NULL;
}

static void scene_free(struct scene *scene)
{
    sidecar_goes(scene);
    registry_goes(scene);
    handshaker_free(scene->handshaker);
    loop_free(scene->loop);
    identity_free(scene->identity);
    config_free(scene->config);
    free(scene->report);
}

static void turn_until(struct scene *scene, bool (*done)(void *argument))
{
    support_turn_until(loop_base(scene->loop), done, scene);
}

static void turn_for(struct scene *scene, int milliseconds)
{
    int64_t end = loop_now() + (int64_t)milliseconds * 1000;

    while (loop_now() < end) {
        event_base_loop(loop_base(scene->loop), EVLOOP_NONBLOCK);
        usleep(500);
    }
}

static bool is_watched(void *argument)
{
    const struct scene *scene = argument;

    return scene->watch != NULL;
}

static bool has_reported(void *argument)
{
    const struct scene *scene = argument;

    return scene->reports > 0;
}

static bool is_told(void *argument)
{
    const struct scene *scene = argument;

    return scene->views > 0;
}

static struct membership_info info_of(const struct scene *scene)
{
    struct membership_info info;

    membership_describe(scene->membership, &info);
    return info;
}

/* ---- */

static void is_told_and_reports(void **state)
{
    struct scene scene;
    json_t *report;
    json_t *plug;

    (void)state;
    scene_make(&scene);
    assert_false(info_of(&scene).connected);
    assert_int_equal(info_of(&scene).last_contact, 0); /* it has not answered yet */
    turn_until(&scene, is_watched);
    assert_memory_equal(scene.query, "replica=", 8);
    assert_int_equal(strlen(scene.query), 8 + 16); /* and it has no view yet */
    turn_for(&scene, 50);
    assert_int_equal(scene.reports, 0); /* not before it is told something */
    say(&scene, SNAPSHOT("d7", 15, DB "," PAGE));
    turn_until(&scene, has_reported);
    assert_int_equal(scene.views, 1);
    assert_int_equal(view_count(membership_view(scene.membership)), 2);
    assert_true(info_of(&scene).connected);
    assert_int_equal(info_of(&scene).revision, 7);
    assert_true(info_of(&scene).last_contact > 0);
    assert_null(info_of(&scene).trouble);

    report = json_loads(scene.report, 0, NULL);
    assert_non_null(report);
    assert_string_equal(json_string_value(json_object_get(report, "replica")), scene.query + 8);
    assert_int_equal(json_integer_value(json_object_get(report, "revision")), 7);
    assert_string_equal(json_string_value(json_object_get(report, "advertise")), "127.0.0.1:15008");
    plug = json_array_get(json_object_get(report, "outbounds"), 0);
    assert_string_equal(json_string_value(json_object_get(plug, "name")), "db");
    assert_true(json_is_true(json_object_get(plug, "required")));
    assert_true(json_is_null(json_object_get(plug, "port")));
    plug = json_array_get(json_object_get(report, "outbounds"), 1);
    assert_int_equal(json_integer_value(json_object_get(plug, "port")), 2525);
    assert_int_equal(json_array_size(json_object_get(report, "inbounds")), 1);
    assert_int_equal(json_array_size(json_object_get(report, "connections")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(report, "certificate"), "serial")),
        scene.identity->summary.serial);
    json_decref(report);
    scene_free(&scene);
}

static void reports_what_has_changed_together(void **state)
{
    struct scene scene;
    unsigned before;

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 15, DB);
    turn_until(&scene, has_reported);
    turn_for(&scene, 100);
    before = scene.reports;
    for (int i = 0; i < 50; i++) {
        membership_changed(scene.membership);
    }
    turn_for(&scene, 200);
    assert_int_equal(scene.reports, before + 1);
    scene_free(&scene);
}

static void reports_at_least_every_third_of_the_lease(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 1, DB);
    turn_until(&scene, has_reported);
    turn_for(&scene, 850);
    assert_in_range(scene.reports, 3, 5);
    scene_free(&scene);
}

static void withdraws_its_address(void **state)
{
    struct scene scene;
    json_t *report;

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 15, DB);
    turn_until(&scene, has_reported);
    turn_for(&scene, 50);
    scene.reports = 0;
    membership_withdraw(scene.membership);
    turn_until(&scene, has_reported);
    report = json_loads(scene.report, 0, NULL);
    assert_true(json_is_null(json_object_get(report, "advertise")));
    json_decref(report);
    scene_free(&scene);
}

/* Not even what comes behind it in one piece: it was meant for another view than ours. */
static void listens_to_nothing_behind_a_line_that_is_wrong(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 15, DB "," PAGE);
    turn_until(&scene, has_reported);
    scene.greets = NULL;
    scene.watches = 0;
    say(&scene, CHANGE("d8", "7", "\"c-page\"") CHANGE("d9", "", "\"c-db\""));
    while (scene.watches == 0) {
        turn_for(&scene, 5);
    }
    assert_int_equal(view_count(membership_view(scene.membership)), 2);
    assert_non_null(strstr(scene.query, "&view=d7"));
    assert_int_equal(scene.views, 1);
    assert_non_null(info_of(&scene).trouble);
    say(&scene, SNAPSHOT("d9", 15, PAGE));
    turn_for(&scene, 100);
    assert_int_equal(scene.views, 2);
    assert_int_equal(view_count(membership_view(scene.membership)), 1);
    assert_null(info_of(&scene).trouble);
    scene_free(&scene);
}

static void goes_on_where_it_was_after_a_restart(void **state)
{
    struct scene scene;
    char replica[17];

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 15, DB "," PAGE);
    turn_until(&scene, has_reported);
    memcpy(replica, scene.query + 8, 16);
    sidecar_goes(&scene);
    registry_goes(&scene);
    scene.views = scene.watches = 0;
    sidecar_comes(&scene); /* while the registry is away */
    assert_int_equal(view_count(membership_view(scene.membership)), 2);
    turn_for(&scene, 300);
    assert_false(info_of(&scene).connected);
    assert_non_null(info_of(&scene).trouble);
    scene.greets = "{\"type\":\"resume\",\"revision\":7,\"view\":\"d7\",\"lease\":15}\n";
    scene.reports = 0;
    registry_comes(&scene);
    turn_until(&scene, has_reported);
    assert_memory_equal(scene.query + 8, replica, 16);
    assert_non_null(strstr(scene.query, "&view=d7"));
    assert_int_equal(scene.views, 0); /* there was nothing new */
    assert_true(info_of(&scene).connected);
    scene_free(&scene);
}

/* Lost with a report under way, and with one due: the next contact begins with a report anyhow. */
static void reports_again_after_each_loss(void **state)
{
    (void)state;
    for (int mute = 0; mute < 2; mute++) {
        struct scene scene;

        scene_make(&scene);
        scene.greets = SNAPSHOT("d7", 15, DB);
        scene.mute = mute;
        turn_until(&scene, has_reported);
        for (int i = 0; i < 3; i++) {
            membership_changed(scene.membership);
            registry_goes(&scene);
            membership_changed(scene.membership);
            turn_for(&scene, 100);
            scene.reports = 0;
            registry_comes(&scene);
            turn_until(&scene, has_reported);
        }
        scene_free(&scene);
    }
}

static void dials_again_when_the_registry_is_silent(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.greets = SNAPSHOT("d7", 1, DB);
    turn_until(&scene, has_reported);
    for (int i = 0; i < 5; i++) { /* words keep it up */
        turn_for(&scene, 400);
        say(&scene, "{\"type\":\"alive\"}\n");
    }
    assert_int_equal(scene.watches, 1);
    turn_for(&scene, 1800);
    assert_in_range(scene.watches, 2, 3);
    scene_free(&scene);
}

static void hears_that_it_is_not_known_any_more(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.problem = "{\"code\":\"instance-removed\",\"detail\":\"there is no instance shop\"}";
    while (scene.unknown == 0) {
        turn_for(&scene, 5);
    }
    turn_for(&scene, 30);
    assert_string_equal(info_of(&scene).trouble, "there is no instance shop");
    scene.problem = NULL;
    scene.greets = SNAPSHOT("d7", 15, DB);
    turn_until(&scene, is_told);
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest membership[] = {
        cmocka_unit_test(is_told_and_reports),
        cmocka_unit_test(reports_what_has_changed_together),
        cmocka_unit_test(reports_at_least_every_third_of_the_lease),
        cmocka_unit_test(withdraws_its_address),
        cmocka_unit_test(listens_to_nothing_behind_a_line_that_is_wrong),
        cmocka_unit_test(goes_on_where_it_was_after_a_restart),
        cmocka_unit_test(reports_again_after_each_loss),
        cmocka_unit_test(dials_again_when_the_registry_is_silent),
        cmocka_unit_test(hears_that_it_is_not_known_any_more),
    };

    return cmocka_run_group_tests(membership, support_enter_folder, support_leave_folder);
}
