/* The client and the door with TLS, against each other. */
#include "appnet/http/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "http2_support.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

/* One request, and what becomes of it. */
struct call {
    struct http_call *call;
    unsigned done; /* calls of it */
    unsigned status;
    char *body;
    size_t size;
    struct error why;
    unsigned lines;
    bool wrong;             /* a line is not what it should be */
    unsigned cancel_at;     /* line; 0: none */
    struct call *cancels;   /* when it is done; NULL: none */
    struct http_client *on; /* where the next one is begun when it is done; NULL: none */
    struct call *next;
};

static void on_done(void *argument, unsigned status, const char *body, size_t size,
                    const struct error *why);

static void on_line(void *argument, const char *line, size_t length)
{
    struct call *call = argument;
    char expected[24];

    snprintf(expected, sizeof expected, "%u", call->lines++);
    call->wrong = call->wrong || length != strlen(expected) || strcmp(line, expected) != 0;
    if (call->lines == call->cancel_at) {
        http_call_cancel(call->call);
        call->call = NULL;
    }
}

static const struct http_call_handlers whole = {.done = on_done};
static const struct http_call_handlers by_lines = {.line = on_line, .done = on_done};

static void on_done(void *argument, unsigned status, const char *body, size_t size,
                    const struct error *why)
{
    struct call *call = argument;

    call->call = NULL;
    call->done++;
    call->status = status;
    call->size = size;
    free(call->body);
    call->body = memory_zalloc(size + 1);
    memcpy(call->body, body, size + 1);
    call->why = *why;
    if (call->cancels && call->cancels->call) {
        http_call_cancel(call->cancels->call);
        call->cancels->call = NULL;
    }
    if (call->on) {
        call->next->call =
            http_client_request(call->on, "GET", "/echo", NULL, 0, 0, &whole, call->next);
    }
}

static bool is_done(void *argument)
{
    const struct call *call = argument;

    return call->done > 0;
}

static void get(struct http_client *client, const char *path, struct call *call)
{
    memset(call, 0, sizeof *call);
    call->call = http_client_request(client, "GET", path, NULL, 0, 0, &whole, call);
}

static void get_lines(struct http_client *client, const char *path, struct call *call)
{
    memset(call, 0, sizeof *call);
    call->call = http_client_request(client, "GET", path, NULL, 0, 0, &by_lines, call);
}

static void finish(struct support_scene *scene, struct call *call)
{
    support_scene_turn_until(scene, is_done, call);
    assert_int_equal(call->done, 1);
}

static void call_clear(struct call *call)
{
    free(call->body);
    call->body = NULL;
}

static void assert_answered(struct support_scene *scene, struct call *call, unsigned status,
                            const char *body)
{
    finish(scene, call);
    if (call->status != status) {
        fail_msg("%u, not %u: %s", call->status, status, call->why.text);
    }
    if (body) {
        assert_string_equal(call->body, body);
    }
    call_clear(call);
}

/* There was no answer, and the reason has this in it. */
static void assert_failed(struct support_scene *scene, struct call *call, const char *why)
{
    finish(scene, call);
    assert_int_equal(call->status, 0);
    if (!strstr(call->why.text, why)) {
        fail_msg("not \"%s\": %s", why, call->why.text);
    }
    call_clear(call);
}

static void assert_works(struct support_scene *scene, struct http_client *client)
{
    struct call call;

    get(client, "/echo", &call);
    assert_answered(scene, &call, 200, "GET /echo? ");
}

struct count {
    atomic_uint *at;
    unsigned wanted;
};

static bool is_counted(void *argument)
{
    const struct count *count = argument;

    return atomic_load(count->at) == count->wanted;
}

static void turn_until_count(struct support_scene *scene, atomic_uint *at, unsigned wanted)
{
    struct count count = {at, wanted};

    support_scene_turn_until(scene, is_counted, &count);
}

/* ---- answers ---- */

static void takes_answers_whole(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    assert_works(&scene, client);
    get(client, "/later?a=b", &call);
    assert_answered(&scene, &call, 200, "GET /later?a=b ");
    memset(&call, 0, sizeof call);
    call.call = http_client_request(client, "POST", "/echo", "{\"a\":1}", 7, 5, &whole, &call);
    assert_answered(&scene, &call, 200, "POST /echo? {\"a\":1}");
    memset(&call, 0, sizeof call);
    call.call = http_client_request(client, "PUT", "/later", "", 0, 5, &whole, &call);
    assert_answered(&scene, &call, 200, "PUT /later? ");
    get(client, "/nothing", &call);
    assert_answered(&scene, &call, 204, "");
    get(client, "/size?0", &call);
    assert_answered(&scene, &call, 200, "");
    http_client_free(client);
    support_scene_free(&scene);
}

static void carries_large_bodies_both_ways(void **state)
{
    const size_t size = HTTP_BODY_MAX - 1000;
    char *text = memory_zalloc(size + 1);
    struct support_scene scene;
    struct http_client *client;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    for (size_t i = 0; i < size; i++) {
        text[i] = support_pattern(i);
    }
    memset(&call, 0, sizeof call);
    call.call = http_client_request(client, "POST", "/later", text, size, 0, &whole, &call);
    finish(&scene, &call);
    assert_int_equal(call.size, size + strlen("POST /later? "));
    assert_string_equal(call.body + strlen("POST /later? "), text);
    call_clear(&call);
    get(client, "/size?4194304", &call);
    finish(&scene, &call);
    assert_int_equal(call.status, 200);
    assert_int_equal(call.size, HTTP_ANSWER_MAX);
    for (size_t i = 0; i < call.size; i++) {
        if (call.body[i] != support_pattern(i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
    call_clear(&call);
    free(text);
    http_client_free(client);
    support_scene_free(&scene);
}

static void takes_answers_line_by_line(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    get_lines(client, "/lines?500", &call);
    assert_answered(&scene, &call, 200, "");
    assert_int_equal(call.lines, 500);
    assert_false(call.wrong);
    /* another status is another answer: whole */
    get_lines(client, "/nothing", &call);
    assert_answered(&scene, &call, 204, "");
    assert_int_equal(call.lines, 0);
    http_client_free(client);
    support_scene_free(&scene);
}

static void many_requests_share_a_connection(void **state)
{
    enum { COUNT = 3 * HTTP2_STREAMS_MAX };
    static struct call calls[COUNT];
    struct support_scene scene;
    struct http_client *client;
    unsigned before;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    assert_works(&scene, client);
    before = support_open_descriptors();
    for (unsigned i = 0; i < COUNT; i++) {
        get(client, i % 2 ? "/later" : "/lines?3", &calls[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_answered(&scene, &calls[i], 200, i % 2 ? "GET /later? " : "0\n1\n2\n");
    }
    assert_int_equal(support_open_descriptors(), before);
    http_client_free(client);
    support_scene_free(&scene);
}

/* ---- who is who ---- */

static void a_client_shows_its_certificate(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    get(client, "/who", &call);
    assert_answered(&scene, &call, 200, "spiffe://" SUPPORT_DOMAIN "/instance/web");
    http_client_free(client);
    client = support_client(&scene, scene.nobody);
    get(client, "/who", &call);
    assert_answered(&scene, &call, 200, "nobody");
    http_client_free(client);
    support_scene_free(&scene);
}

/* Fails, with that reason, for who is not let in, or does not let the registry in. */
static void assert_refused(struct support_scene *scene, struct handshaker *handshaker,
                           const char *why)
{
    struct http_client *client = support_client(scene, handshaker);
    struct call call;

    get(client, "/who", &call);
    assert_failed(scene, &call, why);
    http_client_free(client);
    handshaker_free(handshaker);
    assert_int_equal(atomic_load(&scene->service.requests), 0);
}

static struct handshaker *handshaker_of(struct identity *identity)
{
    struct error err = ERROR_INIT;
    struct handshaker *handshaker = handshaker_new(1, NULL, &err);

    if (!handshaker || handshaker_set_identity(handshaker, identity, &err) != 0) {
        fail_msg("%s", err.text);
    }
    identity_free(identity);
    return handshaker;
}

static void strangers_are_refused(void **state)
{
    struct support_scene scene;
    char hash[CERTIFICATE_HASH_SIZE];
    struct identity *identity;

    (void)state;
    support_scene_make(&scene);
    /* another CA's: neither trusts the other */
    assert_refused(&scene, handshaker_of(support_identity("other", "web")), "trusted CA");
    /* trusts the registry, but is of another CA */
    identity =
        support_identity_of_files("web-other/cert.pem", "web-other/key.pem", "ca/ca.pem", "web");
    assert_refused(&scene, handshaker_of(identity), "");
    /* the registry itself is no client */
    assert_refused(&scene, handshaker_of(support_registry_identity("ca")), "");
    /* one bit of the pin */
    snprintf(hash, sizeof hash, "%s", support_ca_hash("ca"));
    hash[10] = hash[10] == '0' ? '1' : '0';
    assert_refused(&scene, support_nobody(SUPPORT_DOMAIN, hash), "trusted CA");
    assert_refused(&scene, support_nobody(SUPPORT_DOMAIN, support_ca_hash("other")), "trusted CA");
    /* the right pin, and another trust domain */
    assert_refused(&scene, support_nobody("bakery.example", support_ca_hash("ca")), "trust domain");
    support_scene_free(&scene);
}

static void drop(void *argument, struct established *established)
{
    (void)argument;
    established_free(established);
}

/* An instance that answers where the registry should be, and the registry where an instance should.
 */
static void an_instance_is_no_registry(void **state)
{
    const struct tls_expected registry_expected = {.who = TLS_REGISTRY};
    const struct tls_expected db_expected = tls_expect("db");
    struct support_scene scene;
    struct handshaker *target;
    struct http_client *client;
    struct address address;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    target = support_handshaker(1, "db");
    support_handshaker_listen(target, &address, drop, NULL);
    client = http_client_new(scene.loop, scene.web, &address, &registry_expected);
    get(client, "/who", &call);
    assert_failed(&scene, &call, "expected the registry");
    http_client_free(client);
    client = http_client_new(scene.loop, scene.nobody, &address, &registry_expected);
    get(client, "/who", &call);
    assert_failed(&scene, &call, "");
    http_client_free(client);
    client = http_client_new(scene.loop, scene.web, &scene.address, &db_expected);
    get(client, "/who", &call);
    assert_failed(&scene, &call, "the peer is the registry");
    http_client_free(client);
    handshaker_free(target);
    support_scene_free(&scene);
}

/* ---- answers that do not come ---- */

static void says_when_there_is_no_server(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[3];

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    assert_works(&scene, client);
    support_scene_close(&scene);
    for (unsigned i = 0; i < 3; i++) {
        get(client, "/echo", &calls[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_failed(&scene, &calls[i], "");
    }
    get(client, "/echo", &calls[0]);
    assert_failed(&scene, &calls[0], "the registry does not answer at 127.0.0.1:");
    support_scene_open(&scene);
    assert_works(&scene, client);
    http_client_free(client);
    support_scene_free(&scene);
}

static void time_outs_end_one_call(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call slow = {0};
    struct call other;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    slow.call = http_client_request(client, "GET", "/hold", NULL, 0, 1, &whole, &slow);
    get(client, "/lines?10", &other);
    assert_answered(&scene, &other, 200, NULL);
    assert_failed(&scene, &slow, "in time");
    /* the server hears that nobody waits any more */
    turn_until_count(&scene, &scene.service.closed, 1);
    assert_works(&scene, client);
    http_client_free(client);
    support_scene_free(&scene);
}

static void a_door_that_closes_breaks_answers_off(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[3];

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    get(client, "/hold", &calls[0]);
    get_lines(client, "/endless", &calls[1]);
    get(client, "/burst?1000000", &calls[2]);
    turn_until_count(&scene, &scene.service.open, 3);
    support_scene_close(&scene);
    assert_int_equal(atomic_load(&scene.service.closed), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_failed(&scene, &calls[i], "");
    }
    http_client_free(client);
    support_scene_free(&scene);
}

/* Answers in every stage of being sent when the door closes. */
static void a_door_closes_at_any_moment(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[8];

    (void)state;
    support_scene_make(&scene);
    for (unsigned turns = 0; turns < 12; turns++) {
        client = support_client(&scene, scene.web);
        assert_works(&scene, client);
        for (unsigned i = 0; i < 8; i++) {
            get(client, i % 2 ? "/size?3000000" : "/flood", &calls[i]);
        }
        for (unsigned i = 0; i < turns; i++) {
            struct event_base *base = loop_base(scene.loop);
            event_base_loop(base, EVLOOP_NONBLOCK);
        }
        support_scene_close(&scene);
        for (unsigned i = 0; i < 8; i++) {
            finish(&scene, &calls[i]);
            call_clear(&calls[i]);
        }
        http_client_free(client);
        support_scene_open(&scene);
    }
    support_scene_free(&scene);
}

/* Answered, but the loop has not had a turn to send it. */
static void a_door_closes_with_answers_unsent(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[2];

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    for (unsigned i = 0; i < 2; i++) {
        get(client, "/hold", &calls[i]);
    }
    turn_until_count(&scene, &scene.service.open, 2);
    support_release(&scene.service);
    support_scene_close(&scene);
    for (unsigned i = 0; i < 2; i++) {
        finish(&scene, &calls[i]);
        call_clear(&calls[i]);
    }
    http_client_free(client);
    support_scene_free(&scene);
}

static void refuses_answers_that_are_too_large(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call other;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    get_lines(client, "/endless", &other);
    get(client, "/size?4194305", &call);
    assert_failed(&scene, &call, "longer than it may be");
    get_lines(client, "/size?4194305", &call);
    assert_failed(&scene, &call, "longer than it may be");
    get(client, "/flood", &call);
    assert_failed(&scene, &call, "longer than it may be");
    assert_works(&scene, client);
    assert_int_equal(other.done, 0);
    http_client_free(client);
    support_scene_free(&scene);
}

/* ---- cancelling ---- */

static void cancelled_calls_are_not_heard_of(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[4];

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    /* before there is a connection */
    get(client, "/echo", &calls[0]);
    http_call_cancel(calls[0].call);
    get(client, "/echo", &calls[1]);
    assert_answered(&scene, &calls[1], 200, "GET /echo? ");
    /* before it is sent */
    get(client, "/echo", &calls[1]);
    http_call_cancel(calls[1].call);
    /* with a body on its way */
    memset(&calls[2], 0, sizeof calls[2]);
    calls[2].call =
        http_client_request(client, "POST", "/hold", calls, sizeof calls, 0, &whole, &calls[2]);
    event_base_loop(loop_base(scene.loop), EVLOOP_NONBLOCK);
    http_call_cancel(calls[2].call);
    /* while it is waited for */
    get(client, "/hold", &calls[3]);
    turn_until_count(&scene, &scene.service.open, 1);
    http_call_cancel(calls[3].call);
    turn_until_count(&scene, &scene.service.open, 0);
    assert_works(&scene, client);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(calls[i].done, i == 1 ? calls[i].done : 0);
    }
    http_client_free(client);
    support_scene_free(&scene);
}

static void a_line_may_cancel_its_call(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call call;

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    for (unsigned at = 1; at < 5; at++) {
        get_lines(client, "/endless", &call);
        call.cancel_at = at;
        turn_until_count(&scene, &scene.service.closed, at);
        assert_int_equal(call.lines, at);
        assert_int_equal(call.done, 0);
        assert_false(call.wrong);
    }
    assert_works(&scene, client);
    http_client_free(client);
    support_scene_free(&scene);
}

/* What a handler may do to others: cancel them, begin new ones; when it is answered, and when all
 * fail together. */
static void the_end_of_a_call_may_end_others(void **state)
{
    struct support_scene scene;
    struct http_client *client;
    struct call calls[3];

    (void)state;
    support_scene_make(&scene);
    client = support_client(&scene, scene.web);
    get(client, "/hold", &calls[0]);
    get(client, "/later", &calls[1]);
    calls[1].cancels = &calls[0];
    calls[1].on = client;
    memset(&calls[2], 0, sizeof calls[2]);
    calls[1].next = &calls[2];
    assert_answered(&scene, &calls[2], 200, "GET /echo? ");
    assert_int_equal(calls[0].done, 0);
    call_clear(&calls[1]);
    for (unsigned who = 0; who < 2; who++) {
        get(client, "/hold", &calls[0]);
        get(client, "/hold", &calls[1]);
        turn_until_count(&scene, &scene.service.open, 2);
        calls[who].cancels = &calls[!who];
        calls[who].on = client;
        memset(&calls[2], 0, sizeof calls[2]);
        calls[who].next = &calls[2];
        support_scene_close(&scene);
        support_scene_open(&scene);
        support_scene_turn_until(&scene, is_done, &calls[who]);
        finish(&scene, &calls[2]);
        call_clear(&calls[0]);
        call_clear(&calls[1]);
        call_clear(&calls[2]);
    }
    http_client_free(client);
    support_scene_free(&scene);
}

static void is_freed_in_every_state(void **state)
{
    struct support_scene scene;
    struct call calls[6];

    (void)state;
    http_client_free(NULL);
    support_scene_make(&scene);
    for (unsigned turns = 0; turns < 40; turns++) {
        struct http_client *client = support_client(&scene, scene.web);
        if (turns >= 20) {
            assert_works(&scene, client);
        }
        get(client, "/hold", &calls[0]);
        get_lines(client, "/endless", &calls[1]);
        get(client, "/size?1000000", &calls[2]);
        memset(&calls[3], 0, sizeof calls[3]);
        calls[3].call =
            http_client_request(client, "POST", "/echo", calls, sizeof calls, 5, &whole, &calls[3]);
        for (unsigned i = 0; i < turns % 20; i++) {
            event_base_loop(loop_base(scene.loop), EVLOOP_NONBLOCK);
        }
        http_client_free(client);
        call_clear(&calls[2]);
        call_clear(&calls[3]);
    }
    turn_until_count(&scene, &scene.service.open, 0);
    support_scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest http_client[] = {
        cmocka_unit_test(takes_answers_whole),
        cmocka_unit_test(carries_large_bodies_both_ways),
        cmocka_unit_test(takes_answers_line_by_line),
        cmocka_unit_test(many_requests_share_a_connection),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(an_instance_is_no_registry),
        cmocka_unit_test(says_when_there_is_no_server),
        cmocka_unit_test(time_outs_end_one_call),
        cmocka_unit_test(a_door_that_closes_breaks_answers_off),
        cmocka_unit_test(a_door_closes_at_any_moment),
        cmocka_unit_test(a_door_closes_with_answers_unsent),
        cmocka_unit_test(refuses_answers_that_are_too_large),
        cmocka_unit_test(cancelled_calls_are_not_heard_of),
        cmocka_unit_test(a_line_may_cancel_its_call),
        cmocka_unit_test(the_end_of_a_call_may_end_others),
        cmocka_unit_test(is_freed_in_every_state),
    };

    return cmocka_run_group_tests(http_client, support_enter_folder, support_leave_folder);
}
