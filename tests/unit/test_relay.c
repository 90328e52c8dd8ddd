#include "appnet/sidecar/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "../../src/tunnel/session.h"
#include "appnet/sidecar/policy.h"
#include "support.h"
#include "tunnel_support.h"

#define STEPS_MAX 200000

/* Two tunnels, a relay at the end of each, an application behind each relay:
 *
 *   client -> source relay -> tunnel -> target relay -> server */
struct scene {
    struct world world; /* first: it is the tunnels' owner */
    struct tunnel_handlers handlers;
    struct relay_set source, target;
    struct relay_wire wire;
    struct stream_request request;
    struct relay_guide guide;
    struct snapshot_inbound inbound;
    int listener;
    int client, server; /* the applications' own ends; -1: closed */
    unsigned refusals;
    char reason[64];
    struct endpoint silent;
    unsigned turned_away; /* requests that are refused before the next one is served */
    bool has_other;       /* a stream that is refused is opened anew, in the same tunnel */
};

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    struct scene *scene = owner;
    struct relay_wire wire = scene->wire;

    (void)tunnel;
    assert_non_null(request);
    wire.is_source = false;
    wire.probe = request->probe;
    if (scene->turned_away > 0) {
        scene->turned_away--;
        stream_reply(stream, 503, REASON_TARGET_REFUSED);
        return;
    }
    relay_serve(&scene->target, &scene->inbound, stream, &wire);
}

static void on_refused(void *argument, struct tunnel *tunnel, const char *reason)
{
    struct scene *scene = argument;

    assert_ptr_equal(tunnel, scene->world.sides[0].tunnel);
    scene->refusals++;
    snprintf(scene->reason, sizeof(scene->reason), "%s", reason);
}

/* It may answer later, and does not. */
static void keep_waiting(void *owner, struct tunnel *tunnel, struct stream *stream,
                         const struct stream_request *request)
{
    struct scene *scene = owner;

    (void)tunnel;
    assert_non_null(request);
    scene->silent = (struct endpoint){.stream = stream, .takes = FOREVER};
    stream_bind(stream, &endpoint_handlers, &scene->silent);
}

static struct tunnel *on_again(void *argument)
{
    struct scene *scene = argument;

    return scene->has_other ? scene->world.sides[0].tunnel : NULL;
}

static void scene_make(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    world_make(&scene->world, NULL);
    scene->handlers = *scene->world.sides[1].tunnel->handlers;
    scene->handlers.request = on_request;
    scene->world.sides[1].tunnel->handlers = &scene->handlers;
    relay_set_init(&scene->source, scene->world.base);
    relay_set_init(&scene->target, scene->world.base);
    scene->request = world_request();
    scene->guide = (struct relay_guide){
        .request = &scene->request, .refused = on_refused, .again = on_again, .argument = scene};
    scene->wire =
        (struct relay_wire){.is_source = true, .outbound = "plug", .inbound = "sql", .peer = "db"};
    scene->listener = support_listen(&scene->inbound.target);
    assert_int_equal(fcntl(scene->listener, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(address_resolve(&scene->inbound.target, &scene->inbound.resolved, NULL), 0);
    scene->client = scene->server = -1;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void scene_free(struct scene *scene)
{
    close_if_open(&scene->client);
    close_if_open(&scene->server);
    close_if_open(&scene->listener);
    /* The last relays end with their tunnels, and their sets are cleared while there is a loop. */
    for (int i = 0; i < 2; i++) {
        tunnel_free(scene->world.sides[i].tunnel);
        scene->world.sides[i].tunnel = NULL;
    }
    relay_set_clear(&scene->source);
    relay_set_clear(&scene->target);
    world_free(&scene->world);
    assert_int_equal(atomic_load(&scene->source.open), 0);
    assert_int_equal(atomic_load(&scene->target.open), 0);
    assert_true(LIST_EMPTY(&scene->source.relays));
    assert_true(LIST_EMPTY(&scene->target.relays));
}

static void turn(struct scene *scene)
{
    if (event_base_loop(scene->world.base, EVLOOP_NONBLOCK) < 0)
        fail();
}

/* The client dials its plug. */
static struct relay *plug_in(struct scene *scene)
{
    struct relay *relay;
    int pair[2];

    support_tcp_pair(pair);
    scene->client = pair[0];
    relay_prepare(pair[1], true);
    relay = relay_new(&scene->source, pair[1], &scene->wire);
    assert_non_null(relay);
    relay_open(relay, scene->world.sides[0].tunnel, &scene->guide);
    return relay;
}

static void serve(struct scene *scene)
{
    for (int step = 0; step < STEPS_MAX && scene->server < 0; step++) {
        turn(scene);
        scene->server = accept4(scene->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    assert_true(scene->server >= 0);
}

static uint8_t pattern_at(size_t place)
{
    return (uint8_t)(place * 7 + (place >> 8) * 13 + (place >> 16) * 31);
}

/* Sends what the socket takes of `size` bytes of the pattern, from `sent` on. */
static size_t send_some(int fd, size_t sent, size_t size)
{
    static uint8_t bytes[65536];
    size_t length = size - sent < sizeof(bytes) ? size - sent : sizeof(bytes);
    ssize_t n;

    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern_at(sent + i);
    n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    return n > 0 ? (size_t)n : 0;
}

/* Receives what there is, from the pattern's `heard` on. */
static size_t hear_some(int fd, size_t heard)
{
    static uint8_t bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], pattern_at(heard + (size_t)i));
    return n > 0 ? (size_t)n : 0;
}

static void carry(struct scene *scene, int from, int to, size_t size)
{
    size_t sent = 0;
    size_t heard = 0;

    for (int step = 0; step < STEPS_MAX && heard < size; step++) {
        sent += sent < size ? send_some(from, sent, size) : 0;
        turn(scene);
        heard += hear_some(to, heard);
    }
    assert_int_equal(heard, size);
}

/* What the next recv says: 0 for the end, else the errno. */
static int end_of(struct scene *scene, int fd)
{
    char byte;

    for (int step = 0; step < STEPS_MAX; step++) {
        ssize_t n = recv(fd, &byte, 1, 0);

        if (n == 0)
            return 0;
        if (n < 0 && errno != EAGAIN)
            return errno;
        assert_int_equal(n, -1);
        turn(scene);
        if (step > 100)
            usleep(100);
    }
    fail_msg("the connection does not end");
    return -1;
}

static void reset(int *fd)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close_if_open(fd);
}

static void turn_until_gone(struct scene *scene)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        if (atomic_load(&scene->source.open) + atomic_load(&scene->target.open) == 0)
            return;
        turn(scene);
        if (step > 100)
            usleep(100);
    }
    fail_msg("a relay stays");
}

/* ---- */

static void carries_bytes_both_ways(void **state)
{
    struct scene scene;
    unsigned before;

    (void)state;
    scene_make(&scene);
    before = support_open_descriptors();
    plug_in(&scene);
    serve(&scene);
    carry(&scene, scene.client, scene.server, 1);
    carry(&scene, scene.server, scene.client, 1000000);
    assert_int_equal(atomic_load(&scene.source.open), 1);
    assert_int_equal(atomic_load(&scene.target.open), 1);
    assert_int_equal(scene.source.opened, 1);
    assert_int_equal(scene.target.opened, 1);
    shutdown(scene.client, SHUT_WR);
    assert_int_equal(end_of(&scene, scene.server), 0);
    shutdown(scene.server, SHUT_WR);
    assert_int_equal(end_of(&scene, scene.client), 0);
    turn_until_gone(&scene);
    close_if_open(&scene.client);
    close_if_open(&scene.server);
    assert_int_equal(support_open_descriptors(), before);
    assert_int_equal(scene.source.refused + scene.target.refused, 0);
    scene_free(&scene);
}

static void keeps_half_of_a_connection(void **state)
{
    for (int first = 0; first < 2; first++) {
        struct scene scene;
        int early;
        int late;

        (void)state;
        scene_make(&scene);
        plug_in(&scene);
        serve(&scene);
        early = first == 0 ? scene.client : scene.server;
        late = first == 0 ? scene.server : scene.client;
        carry(&scene, early, late, 5000);
        shutdown(early, SHUT_WR);
        assert_int_equal(end_of(&scene, late), 0);
        carry(&scene, late, early, 3000000);
        shutdown(late, SHUT_WR);
        assert_int_equal(end_of(&scene, early), 0);
        turn_until_gone(&scene);
        scene_free(&scene);
    }
}

static void carries_what_is_said_before_the_server_is_there(void **state)
{
    enum { EARLY = 20000 };
    struct scene scene;
    size_t heard = 0;

    (void)state;
    scene_make(&scene);
    plug_in(&scene);
    assert_int_equal(send_some(scene.client, 0, EARLY), EARLY);
    shutdown(scene.client, SHUT_WR);
    serve(&scene);
    for (int step = 0; step < STEPS_MAX && heard < EARLY; step++) {
        heard += hear_some(scene.server, heard);
        turn(&scene);
    }
    assert_int_equal(heard, EARLY);
    assert_int_equal(end_of(&scene, scene.server), 0);
    carry(&scene, scene.server, scene.client, 10);
    close_if_open(&scene.server);
    assert_int_equal(end_of(&scene, scene.client), 0);
    turn_until_gone(&scene);
    scene_free(&scene);
}

static void passes_resets_on(void **state)
{
    for (int resetter = 0; resetter < 2; resetter++) {
        struct scene scene;

        (void)state;
        scene_make(&scene);
        plug_in(&scene);
        serve(&scene);
        carry(&scene, scene.client, scene.server, 100);
        carry(&scene, scene.server, scene.client, 100);
        reset(resetter == 0 ? &scene.client : &scene.server);
        assert_int_equal(end_of(&scene, resetter == 0 ? scene.server : scene.client), ECONNRESET);
        turn_until_gone(&scene);
        scene_free(&scene);
    }
}

/* The socket of this process that is connected to `fd`. */
static int other_end(int fd)
{
    struct sockaddr_storage peer;
    struct sockaddr_storage own;
    socklen_t length = sizeof(peer);

    memset(&peer, 0, sizeof(peer));
    assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &length), 0);
    for (int other = 0; other < 1024; other++) {
        socklen_t size = sizeof(own);

        memset(&own, 0, sizeof(own));
        if (getsockname(other, (struct sockaddr *)&own, &size) == 0 && size == length &&
            memcmp(&own, &peer, length) == 0)
            return other;
    }
    fail_msg("nobody is connected to it");
    return -1;
}

static bool is_kept_alive(int fd)
{
    int on = 0;

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &(socklen_t){sizeof(on)}), 0);
    return on != 0;
}

static void grow_old(struct scene *scene)
{
    assert_true(event_pending(&scene->target.aged, EV_TIMEOUT, NULL));
    event_active(&scene->target.aged, EV_TIMEOUT, 1);
    turn(scene);
}

static void keeps_alive_what_lives_for_long(void **state)
{
    struct scene scene;
    int clients[2];
    int servers[2];

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < 2; i++) {
        plug_in(&scene);
        serve(&scene);
        clients[i] = scene.client;
        servers[i] = scene.server;
        assert_true(is_kept_alive(other_end(clients[i])));
        assert_false(is_kept_alive(other_end(servers[i])));
        scene.client = scene.server = -1;
        if (i == 0)
            grow_old(&scene);
        assert_true(is_kept_alive(other_end(servers[0])));
        assert_int_equal(is_kept_alive(other_end(servers[i])), i == 0);
    }
    grow_old(&scene);
    assert_true(is_kept_alive(other_end(servers[1])));
    /* With nobody new there is nothing to wake up for. */
    assert_false(event_pending(&scene.target.aged, EV_TIMEOUT, NULL));
    assert_false(event_pending(&scene.source.aged, EV_TIMEOUT, NULL));
    for (int i = 0; i < 2; i++) {
        close_if_open(&clients[i]);
        close_if_open(&servers[i]);
    }
    turn_until_gone(&scene);
    scene_free(&scene);
}

static void resets_both_when_it_is_cut(void **state)
{
    struct scene scene;
    struct relay *relay;

    (void)state;
    scene_make(&scene);
    relay = plug_in(&scene);
    serve(&scene);
    carry(&scene, scene.client, scene.server, 100);
    assert_string_equal(relay_wire(relay)->outbound, "plug");
    relay_cut(relay, "removed");
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(end_of(&scene, scene.server), ECONNRESET);
    turn_until_gone(&scene);
    scene_free(&scene);
}

static void resets_both_when_the_tunnel_is_lost(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    plug_in(&scene);
    serve(&scene);
    carry(&scene, scene.client, scene.server, 100);
    tunnel_close(scene.world.sides[0].tunnel, "gone");
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(end_of(&scene, scene.server), ECONNRESET);
    turn_until_gone(&scene);
    scene_free(&scene);
}

static void resets_a_client_that_the_target_refuses(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    close_if_open(&scene.listener);
    plug_in(&scene);
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(scene.refusals, 1);
    assert_string_equal(scene.reason, REASON_TARGET_REFUSED);
    turn_until_gone(&scene);
    assert_int_equal(scene.source.refused, 1);
    assert_int_equal(scene.target.refused, 1);
    assert_int_equal(scene.source.opened + scene.target.opened, 0);
    scene_free(&scene);
}

static void resets_a_client_for_whom_there_is_no_tunnel(void **state)
{
    struct scene scene;
    struct relay *relay;
    int pair[2];

    (void)state;
    scene_make(&scene);
    support_tcp_pair(pair);
    scene.client = pair[0];
    relay = relay_new(&scene.source, pair[1], &scene.wire);
    assert_non_null(relay);
    assert_int_equal(atomic_load(&scene.source.open), 1);
    relay_refuse(relay, REASON_UNREACHABLE, "nobody there");
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(scene.source.refused, 1);
    close_if_open(&scene.client);
    /* and when the tunnel that was to carry it takes no stream any more */
    tunnel_drain(scene.world.sides[0].tunnel);
    plug_in(&scene);
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(scene.source.refused, 2);
    assert_int_equal(scene.refusals, 0); /* it was not the target that refused */
    scene_free(&scene);
}

/* Everything that was sent ahead of the answer is said again. */
static void goes_elsewhere_when_it_is_refused(void **state)
{
    enum { EARLY = 40000 };

    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        struct scene scene;
        size_t heard = 0;

        scene_make(&scene);
        scene.guide.has_spare = scene.has_other = true;
        scene.turned_away = 2;
        plug_in(&scene);
        assert_int_equal(send_some(scene.client, 0, EARLY), EARLY);
        if (ended)
            shutdown(scene.client, SHUT_WR);
        serve(&scene);
        for (int step = 0; step < STEPS_MAX && heard < EARLY; step++) {
            heard += hear_some(scene.server, heard);
            turn(&scene);
        }
        assert_int_equal(heard, EARLY);
        if (!ended)
            shutdown(scene.client, SHUT_WR);
        assert_int_equal(end_of(&scene, scene.server), 0);
        carry(&scene, scene.server, scene.client, 100000);
        close_if_open(&scene.server);
        assert_int_equal(end_of(&scene, scene.client), 0);
        turn_until_gone(&scene);
        assert_int_equal(scene.refusals, 2);
        assert_int_equal(scene.source.refused, 0);
        assert_int_equal(scene.source.opened, 1);
        scene_free(&scene);
    }
}

/* One that says nothing, and one that only says that it is done. */
static void goes_elsewhere_with_nothing_said(void **state)
{
    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        struct scene scene;

        scene_make(&scene);
        scene.guide.has_spare = scene.has_other = true;
        scene.turned_away = 1;
        plug_in(&scene);
        if (ended)
            shutdown(scene.client, SHUT_WR);
        serve(&scene);
        if (!ended)
            carry(&scene, scene.client, scene.server, 100000);
        shutdown(scene.client, SHUT_WR);
        assert_int_equal(end_of(&scene, scene.server), 0);
        close_if_open(&scene.server);
        assert_int_equal(end_of(&scene, scene.client), 0);
        turn_until_gone(&scene);
        assert_int_equal(scene.refusals, 1);
        scene_free(&scene);
    }
}

static void goes_elsewhere_no_more_than_so_often(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.guide.has_spare = scene.has_other = true;
    scene.turned_away = UINT32_MAX;
    plug_in(&scene);
    assert_int_equal(send_some(scene.client, 0, 10), 10);
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    turn_until_gone(&scene);
    assert_int_equal(scene.refusals, RELAY_TRIES_MAX);
    assert_int_equal(scene.source.refused, 1);
    scene_free(&scene);
}

static void is_refused_when_there_is_no_other(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    scene.guide.has_spare = true;
    scene.turned_away = 1;
    plug_in(&scene);
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    turn_until_gone(&scene);
    assert_int_equal(scene.refusals, 1);
    assert_int_equal(scene.source.refused, 1);
    scene_free(&scene);
}

static void does_not_go_elsewhere_when_it_is_cut(void **state)
{
    struct scene scene;
    struct relay *relay;

    (void)state;
    scene_make(&scene);
    scene.guide.has_spare = scene.has_other = true;
    scene.handlers.request = keep_waiting;
    relay = plug_in(&scene);
    for (int step = 0; step < STEPS_MAX && !scene.silent.stream; step++)
        turn(&scene);
    relay_cut(relay, "removed");
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    turn_until_gone(&scene);
    scene_free(&scene);
}

static void forgets_who_asked(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    close_if_open(&scene.listener);
    plug_in(&scene);
    relay_disown(&scene.source, &scene.guide);
    assert_int_equal(end_of(&scene, scene.client), ECONNRESET);
    assert_int_equal(scene.refusals, 0);
    turn_until_gone(&scene);
    scene_free(&scene);
}

/* A probe reaches the application's port and says nothing there. */
static void answers_probes(void **state)
{
    struct stream_request request = world_request();
    struct scene scene;

    (void)state;
    request.probe = true;
    for (int alive = 1; alive >= 0; alive--) {
        struct endpoint probe = {.takes = FOREVER};

        scene_make(&scene);
        if (!alive)
            close_if_open(&scene.listener);
        probe.stream =
            tunnel_connect(scene.world.sides[0].tunnel, &request, &endpoint_handlers, &probe);
        assert_non_null(probe.stream);
        world_turn_until(&scene.world, endpoint_is_closed, &probe);
        assert_int_equal(probe.status, alive ? 204 : 503);
        assert_string_equal(probe.reason, alive ? "" : REASON_TARGET_REFUSED);
        if (alive) {
            serve(&scene);
            assert_int_equal(end_of(&scene, scene.server), 0);
        }
        assert_int_equal(scene.target.opened + scene.target.refused, 0);
        assert_int_equal(atomic_load(&scene.target.open), 0);
        world_turn_quiet(&scene.world);
        scene_free(&scene);
    }
}

/* The most that the kernel lets a TCP socket's buffer grow to. */
static size_t largest_buffer(const char *setting)
{
    size_t least, usual, most;
    FILE *file = fopen(setting, "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu %zu", &least, &usual, &most), 3);
    fclose(file);
    return most;
}

static void waits_for_a_reader_that_is_slow(void **state)
{
    /* server -> target, target -> source, source -> client: three sockets that send, three that
     * receive; what is held besides is the stream's window. */
    const size_t bound = 3 * (largest_buffer("/proc/sys/net/ipv4/tcp_rmem") +
                              largest_buffer("/proc/sys/net/ipv4/tcp_wmem")) +
                         STREAM_WINDOW_MAX;
    struct scene scene;
    size_t sent = 0;
    size_t heard = 0;
    int idle = 0;

    (void)state;
    scene_make(&scene);
    plug_in(&scene);
    serve(&scene);
    while (idle < 200 && sent < 2 * bound) { /* until all windows and sockets are full */
        size_t n = send_some(scene.server, sent, 2 * bound);

        sent += n;
        idle = n > 0 ? 0 : idle + 1;
        turn(&scene);
        if (n == 0)
            usleep(200);
    }
    assert_in_range(sent, STREAM_WINDOW_MIN, bound);
    for (int step = 0; step < STEPS_MAX && heard < sent; step++) {
        heard += hear_some(scene.client, heard);
        turn(&scene);
    }
    assert_int_equal(heard, sent);
    close_if_open(&scene.server);
    assert_int_equal(end_of(&scene, scene.client), 0);
    close_if_open(&scene.client);
    turn_until_gone(&scene);
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest relay[] = {
        cmocka_unit_test(carries_bytes_both_ways),
        cmocka_unit_test(keeps_half_of_a_connection),
        cmocka_unit_test(carries_what_is_said_before_the_server_is_there),
        cmocka_unit_test(passes_resets_on),
        cmocka_unit_test(keeps_alive_what_lives_for_long),
        cmocka_unit_test(resets_both_when_it_is_cut),
        cmocka_unit_test(resets_both_when_the_tunnel_is_lost),
        cmocka_unit_test(resets_a_client_that_the_target_refuses),
        cmocka_unit_test(resets_a_client_for_whom_there_is_no_tunnel),
        cmocka_unit_test(goes_elsewhere_when_it_is_refused),
        cmocka_unit_test(goes_elsewhere_with_nothing_said),
        cmocka_unit_test(goes_elsewhere_no_more_than_so_often),
        cmocka_unit_test(is_refused_when_there_is_no_other),
        cmocka_unit_test(does_not_go_elsewhere_when_it_is_cut),
        cmocka_unit_test(forgets_who_asked),
        cmocka_unit_test(answers_probes),
        cmocka_unit_test(waits_for_a_reader_that_is_slow),
    };

    return cmocka_run_group_tests(relay, support_enter_folder, support_leave_folder);
}
