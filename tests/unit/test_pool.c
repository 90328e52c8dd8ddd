#include "appnet/tunnel/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "../../src/tunnel/session.h"
#include "appnet/base/memory.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

#define TUNNELS 32

/* The source's pool, and a target whose tunnels are on the same loop. */
struct scene {
    struct loop *loop;
    struct handshaker *source, *target;
    struct buffers *buffers;
    struct pool *pool;
    struct address address; /* the target's */
    int64_t ids;
    /* the target */
    bool drops; /* it closes what it has accepted before it says a word of HTTP/2 */
    unsigned accepted, closed;
    struct tunnel *tunnels[TUNNELS]; /* NULL: closed */
    struct endpoint served[TUNNELS];
    unsigned served_count;
};

struct watcher {
    struct peer_observer observer;
    unsigned changes;
};

struct waiting {
    struct peer_waiter waiter;
    unsigned calls;
    struct tunnel *tunnel;
};

/* ---- the target ---- */

static void on_ready(void *owner, struct tunnel *tunnel)
{
    (void)owner;
    (void)tunnel;
}

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    struct scene *scene = owner;
    struct endpoint *endpoint = &scene->served[scene->served_count++];

    (void)tunnel;
    assert_non_null(request);
    assert_true(scene->served_count < TUNNELS);
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->takes = FOREVER;
    endpoint->stream = stream;
    stream_bind(stream, &endpoint_handlers, endpoint);
    stream_accept(stream);
}

static void on_closed(void *owner, struct tunnel *tunnel, const char *reason)
{
    struct scene *scene = owner;

    (void)reason;
    scene->closed++;
    for (unsigned i = 0; i < TUNNELS; i++) {
        if (scene->tunnels[i] == tunnel)
            scene->tunnels[i] = NULL;
    }
}

static const struct tunnel_handlers handlers = {on_ready, on_request, on_ready, on_closed};

struct arrival {
    struct scene *scene;
    struct established *established;
};

static void arrive(void *argument)
{
    struct arrival *arrival = argument;
    struct scene *scene = arrival->scene;

    assert_true(scene->accepted < TUNNELS);
    if (scene->drops)
        established_free(arrival->established);
    else
        scene->tunnels[scene->accepted] =
            tunnel_new(loop_base(scene->loop), arrival->established, 100 + scene->accepted,
                       scene->buffers, &handlers, scene, NULL);
    scene->accepted++;
    free(arrival);
}

static void on_accepted(void *argument, struct established *established)
{
    struct arrival *arrival = memory_zalloc(sizeof(*arrival));

    arrival->scene = argument;
    arrival->established = established;
    loop_post(arrival->scene->loop, arrive, arrival);
}

/* ---- the scene ---- */

static int64_t next_id(void *argument)
{
    struct scene *scene = argument;

    return ++scene->ids;
}

static void scene_make(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    scene->loop = loop_new("test", NULL);
    assert_non_null(scene->loop);
    scene->source = support_handshaker(1, "web");
    scene->target = support_handshaker(1, "db");
    support_handshaker_listen(scene->target, &scene->address, on_accepted, scene);
    scene->buffers = buffers_new();
    scene->pool = pool_new(scene->loop, scene->source, scene->buffers, next_id, scene);
}

static void scene_free(struct scene *scene)
{
    handshaker_free(scene->source);
    handshaker_free(scene->target);
    loop_drain(scene->loop);
    pool_free(scene->pool);
    for (unsigned i = 0; i < TUNNELS; i++)
        tunnel_free(scene->tunnels[i]);
    loop_free(scene->loop);
    buffers_free(scene->buffers);
}

static void turn_until(struct scene *scene, bool (*done)(void *argument), void *argument)
{
    support_turn_until(loop_base(scene->loop), done, argument);
}

static void on_changed(void *argument)
{
    struct watcher *watcher = argument;

    watcher->changes++;
}

static struct peer *watch(struct scene *scene, const char *instance, struct watcher *watcher)
{
    memset(watcher, 0, sizeof(*watcher));
    watcher->observer.changed = on_changed;
    watcher->observer.argument = watcher;
    return pool_peer(scene->pool, instance, &scene->address, &watcher->observer);
}

static void on_waited(void *argument, struct tunnel *tunnel)
{
    struct waiting *waiting = argument;

    waiting->calls++;
    waiting->tunnel = tunnel;
}

static void wait_on(struct peer *peer, struct waiting *waiting)
{
    memset(waiting, 0, sizeof(*waiting));
    waiting->waiter.done = on_waited;
    waiting->waiter.argument = waiting;
    peer_wait(peer, &waiting->waiter);
}

static bool has_tunnel(void *argument)
{
    return peer_tunnel(argument) != NULL;
}

static bool has_no_tunnel(void *argument)
{
    return peer_tunnel(argument) == NULL;
}

static bool was_called(void *argument)
{
    const struct waiting *waiting = argument;

    return waiting->calls > 0;
}

static bool has_failed(void *argument)
{
    enum dial_failure kind;

    return peer_failure(argument, &kind) != NULL;
}

struct count {
    const unsigned *number;
    unsigned goal;
};

static bool has_come_to(void *argument)
{
    const struct count *count = argument;

    return *count->number >= count->goal;
}

static void turn_until_count(struct scene *scene, const unsigned *number, unsigned goal)
{
    struct count count = {number, goal};

    turn_until(scene, has_come_to, &count);
}

static void count_tunnel(void *argument, struct tunnel *tunnel)
{
    (void)tunnel;
    ++*(unsigned *)argument;
}

static unsigned tunnels_of(struct scene *scene)
{
    unsigned count = 0;

    pool_each_tunnel(scene->pool, count_tunnel, &count);
    return count;
}

static struct tunnel *only_tunnel(struct scene *scene, struct peer *peer)
{
    turn_until(scene, has_tunnel, peer);
    assert_int_equal(tunnels_of(scene), 1);
    return peer_tunnel(peer);
}

/* ---- backoff ---- */

static void backs_off_within_bounds(void **state)
{
    (void)state;
    for (unsigned failures = 1; failures < 100; failures++) {
        int64_t step = failures < 10 ? (int64_t)POOL_BACKOFF_MIN_MICROSECONDS << (failures - 1)
                                     : POOL_BACKOFF_MAX_MICROSECONDS;
        int64_t last = 0;

        if (step > POOL_BACKOFF_MAX_MICROSECONDS)
            step = POOL_BACKOFF_MAX_MICROSECONDS;
        assert_int_equal(pool_backoff(failures, 0), step / 2);
        assert_int_equal(pool_backoff(failures, 999), step);
        for (uint32_t dice = 0; dice < 1000; dice++) {
            int64_t pause = pool_backoff(failures, dice);

            assert_in_range(pause, step / 2, step);
            assert_true(pause >= last);
            last = pause;
        }
    }
    assert_int_equal(pool_backoff(UINT32_MAX, 999), POOL_BACKOFF_MAX_MICROSECONDS);
    assert_in_range(pool_backoff(0, 500), 1, POOL_BACKOFF_MIN_MICROSECONDS);
}

/* ---- dialling ---- */

static void dials_once_for_all_who_need_a_peer(void **state)
{
    struct scene scene;
    struct watcher watchers[3];
    struct waiting waiting[3];
    struct peer *peer;
    struct tunnel_info info;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watchers[0]);
    assert_ptr_equal(watch(&scene, "db", &watchers[1]), peer);
    assert_null(peer_tunnel(peer));
    assert_false(has_failed(peer));
    for (int i = 0; i < 3; i++)
        wait_on(peer, &waiting[i]);
    assert_ptr_equal(watch(&scene, "db", &watchers[2]), peer);
    for (int i = 0; i < 3; i++) {
        turn_until(&scene, was_called, &waiting[i]);
        assert_int_equal(waiting[i].calls, 1);
        assert_ptr_equal(waiting[i].tunnel, peer_tunnel(peer));
        assert_true(watchers[i].changes > 0);
    }
    support_turn_quiet(loop_base(scene.loop));
    assert_int_equal(scene.accepted, 1);
    assert_int_equal(tunnels_of(&scene), 1);
    tunnel_describe(peer_tunnel(peer), &info);
    assert_int_equal(info.id, 1);
    assert_string_equal(info.peer, "db");
    for (int i = 0; i < 3; i++)
        peer_release(peer, &watchers[i].observer);
    scene_free(&scene);
}

static void keeps_other_peers_apart(void **state)
{
    struct scene scene;
    struct watcher watchers[3];
    struct peer *peers[3];

    (void)state;
    scene_make(&scene);
    peers[0] = watch(&scene, "db", &watchers[0]);
    peers[1] = watch(&scene, "mysql", &watchers[1]); /* not who is there */
    snprintf(scene.address.host, sizeof(scene.address.host), "localhost");
    peers[2] = watch(&scene, "db", &watchers[2]);
    assert_ptr_not_equal(peers[0], peers[1]);
    assert_ptr_not_equal(peers[0], peers[2]);
    turn_until(&scene, has_tunnel, peers[0]);
    turn_until(&scene, has_tunnel, peers[2]);
    turn_until(&scene, has_failed, peers[1]);
    assert_null(peer_tunnel(peers[1]));
    assert_false(has_failed(peers[0]));
    for (int i = 0; i < 3; i++)
        peer_release(peers[i], &watchers[i].observer);
    scene_free(&scene);
}

static void says_why_there_is_no_tunnel(void **state)
{
    struct scene scene;
    struct watcher watchers[2];
    struct peer *wrong;
    struct peer *nobody;
    enum dial_failure kind;

    (void)state;
    scene_make(&scene);
    wrong = watch(&scene, "mysql", &watchers[0]);
    support_free_address(&scene.address);
    nobody = watch(&scene, "db", &watchers[1]);
    turn_until(&scene, has_failed, wrong);
    turn_until(&scene, has_failed, nobody);
    assert_non_null(
        strstr(peer_failure(wrong, &kind)->text, "the peer is instance db, expected mysql"));
    assert_int_equal(kind, DIAL_REFUSED);
    assert_non_null(strstr(peer_failure(nobody, &kind)->text, "does not answer"));
    assert_int_equal(kind, DIAL_UNREACHABLE);
    assert_true(watchers[0].changes > 0);
    assert_true(watchers[1].changes > 0);
    assert_false(peer_has_tunnel(nobody));
    peer_release(wrong, &watchers[0].observer);
    peer_release(nobody, &watchers[1].observer);
    scene_free(&scene);
}

/* Whoever comes while a dial is under way is not refused because of that one: it may have begun
 * long before. The one that begins after it came decides. */
static void refuses_waiters_after_the_dial_that_follows_them(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct waiting early;
    struct waiting late;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    support_free_address(&scene.address);
    peer = watch(&scene, "db", &watcher);
    wait_on(peer, &early);
    turn_until_count(&scene, &watcher.changes, 1); /* the first dial has failed */
    assert_int_equal(early.calls, 0);
    wait_on(peer, &late);
    turn_until_count(&scene, &watcher.changes, 2);
    assert_int_equal(early.calls, 1);
    assert_int_equal(late.calls, 1);
    assert_null(early.tunnel);
    assert_null(late.tunnel);
    turn_until_count(&scene, &watcher.changes, 4); /* it is tried again and again */
    assert_int_equal(early.calls, 1);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

static void finds_a_target_that_comes_later(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct waiting waiting;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    scene.drops = true;
    peer = watch(&scene, "db", &watcher);
    turn_until(&scene, has_failed, peer);
    turn_until_count(&scene, &watcher.changes, 2);
    scene.drops = false;
    wait_on(peer, &waiting);
    turn_until(&scene, has_tunnel, peer);
    assert_false(has_failed(peer));
    support_turn_quiet(loop_base(scene.loop));
    assert_int_equal(waiting.calls, 1);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

static void forgets_a_waiter_who_left(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct waiting waiting[3];
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watcher);
    for (int i = 0; i < 3; i++)
        wait_on(peer, &waiting[i]);
    peer_wait_cancel(peer, &waiting[1].waiter);
    turn_until(&scene, was_called, &waiting[2]);
    assert_int_equal(waiting[0].calls, 1);
    assert_int_equal(waiting[1].calls, 0);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

/* ---- tunnels that go ---- */

static void replaces_a_tunnel_that_is_lost(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watcher);
    turn_until(&scene, has_tunnel, peer);
    for (unsigned i = 0; i < 3; i++) {
        unsigned changes = watcher.changes;

        turn_until_count(&scene, &scene.accepted, i + 1);
        tunnel_close(scene.tunnels[i], "restarting");
        turn_until(&scene, has_no_tunnel, peer);
        turn_until(&scene, has_tunnel, peer);
        assert_true(watcher.changes > changes);
    }
    turn_until_count(&scene, &scene.accepted, 4);
    assert_int_equal(tunnels_of(&scene), 1);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

static void hands_out_no_tunnel_that_drains(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct stream_request request = world_request();
    struct endpoint client = {.to_say = 100, .takes = FOREVER};
    struct tunnel *old;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watcher);
    old = only_tunnel(&scene, peer);
    client.stream = tunnel_connect(old, &request, &endpoint_handlers, &client);
    assert_non_null(client.stream);
    turn_until_count(&scene, &scene.served_count, 1);
    tunnel_drain(scene.tunnels[0]);
    turn_until(&scene, has_no_tunnel, peer);
    turn_until(&scene, has_tunnel, peer);
    assert_ptr_not_equal(peer_tunnel(peer), old);
    assert_int_equal(tunnels_of(&scene), 2);
    endpoint_say(&client, 100000, THEN_END); /* what is under way goes on */
    endpoint_say(&scene.served[0], 100000, THEN_END);
    turn_until(&scene, endpoint_is_closed, &client);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(client.heard, 100000);
    turn_until_count(&scene, &scene.closed, 1);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

static void makes_another_when_one_is_full(void **state)
{
    const nghttp2_settings_entry two = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2};
    struct scene scene;
    struct watcher watcher;
    struct waiting waiting;
    struct stream_request request = world_request();
    struct endpoint clients[2] = {{.takes = FOREVER}, {.takes = FOREVER}};
    struct tunnel *full;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watcher);
    full = only_tunnel(&scene, peer);
    turn_until_count(&scene, &scene.accepted, 1);
    assert_int_equal(nghttp2_submit_settings(scene.tunnels[0]->session, NGHTTP2_FLAG_NONE, &two, 1),
                     0);
    tunnel_schedule(scene.tunnels[0]);
    support_turn_quiet(loop_base(scene.loop));
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(peer_tunnel(peer), full);
        clients[i].stream = tunnel_connect(full, &request, &endpoint_handlers, &clients[i]);
        assert_non_null(clients[i].stream);
    }
    assert_null(peer_tunnel(peer));
    assert_true(peer_has_tunnel(peer));
    wait_on(peer, &waiting);
    turn_until(&scene, was_called, &waiting);
    assert_non_null(waiting.tunnel);
    assert_ptr_not_equal(waiting.tunnel, full);
    assert_int_equal(tunnels_of(&scene), 2);
    /* The one with the fewest streams, when there is a choice. */
    stream_cancel(clients[0].stream);
    turn_until(&scene, endpoint_is_closed, &clients[0]);
    assert_true(tunnel_usable(full));
    assert_ptr_equal(peer_tunnel(peer), waiting.tunnel);
    peer_release(peer, &watcher.observer);
    scene_free(&scene);
}

/* ---- peers that are not needed any more ---- */

static void lets_tunnels_drain_away_with_the_last_release(void **state)
{
    struct scene scene;
    struct watcher watchers[2];
    struct stream_request request = world_request();
    struct endpoint client = {.to_say = 100, .takes = FOREVER};
    struct tunnel *tunnel;
    struct peer *peer;
    struct peer *second;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watchers[0]);
    watch(&scene, "db", &watchers[1]);
    tunnel = only_tunnel(&scene, peer);
    client.stream = tunnel_connect(tunnel, &request, &endpoint_handlers, &client);
    turn_until_count(&scene, &scene.served_count, 1);
    peer_release(peer, &watchers[0].observer);
    assert_ptr_equal(peer_tunnel(peer), tunnel);
    peer_release(peer, &watchers[1].observer);
    assert_int_equal(tunnels_of(&scene), 1); /* a stream is still under way */
    second = watch(&scene, "db", &watchers[1]);
    assert_ptr_not_equal(second, peer); /* whoever comes now gets a peer of his own */
    endpoint_say(&client, 0, THEN_END);
    endpoint_say(&scene.served[0], 50000, THEN_END);
    turn_until(&scene, endpoint_is_closed, &client);
    assert_int_equal(client.end, STREAM_FINISHED);
    assert_int_equal(client.heard, 50000);
    turn_until_count(&scene, &scene.closed, 1);
    peer_release(second, &watchers[1].observer);
    scene_free(&scene);
}

static void forgets_a_peer_released_while_it_is_dialled(void **state)
{
    struct scene scene;
    struct watcher watcher;

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < 5; i++)
        peer_release(watch(&scene, "db", &watcher), &watcher.observer);
    turn_until_count(&scene, &scene.accepted, 5);
    turn_until_count(&scene, &scene.closed, 5);
    assert_int_equal(tunnels_of(&scene), 0);
    assert_int_equal(watcher.changes, 0);
    scene_free(&scene);
}

static void ends_tunnels_when_it_is_freed(void **state)
{
    struct scene scene;
    struct watcher watcher;
    struct peer *peer;

    (void)state;
    scene_make(&scene);
    peer = watch(&scene, "db", &watcher);
    turn_until(&scene, has_tunnel, peer);
    turn_until_count(&scene, &scene.accepted, 1);
    peer_release(peer, &watcher.observer);
    pool_free(scene.pool);
    scene.pool = NULL;
    turn_until_count(&scene, &scene.closed, 1);
    pool_free(NULL);
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest pool[] = {
        cmocka_unit_test(backs_off_within_bounds),
        cmocka_unit_test(dials_once_for_all_who_need_a_peer),
        cmocka_unit_test(keeps_other_peers_apart),
        cmocka_unit_test(says_why_there_is_no_tunnel),
        cmocka_unit_test(refuses_waiters_after_the_dial_that_follows_them),
        cmocka_unit_test(finds_a_target_that_comes_later),
        cmocka_unit_test(forgets_a_waiter_who_left),
        cmocka_unit_test(replaces_a_tunnel_that_is_lost),
        cmocka_unit_test(hands_out_no_tunnel_that_drains),
        cmocka_unit_test(makes_another_when_one_is_full),
        cmocka_unit_test(lets_tunnels_drain_away_with_the_last_release),
        cmocka_unit_test(forgets_a_peer_released_while_it_is_dialled),
        cmocka_unit_test(ends_tunnels_when_it_is_freed),
    };

    return cmocka_run_group_tests(pool, support_enter_folder, support_leave_folder);
}
