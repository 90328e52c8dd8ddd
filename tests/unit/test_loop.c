#include "appnet/base/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define POSTERS 4
#define POSTS 5000

struct counter {
    struct loop *loop;
    int count;
    int last[POSTERS];
    bool in_order;
    pthread_t thread;
};

static void stop_it(void *argument)
{
    loop_stop(argument);
}

static void count_it(void *argument)
{
    struct counter *counter = argument;

    counter->count++;
    counter->thread = pthread_self();
}

static void runs_on_the_calling_thread(void **state)
{
    struct counter counter = {.loop = loop_new("here", NULL)};

    (void)state;
    assert_non_null(counter.loop);
    loop_post(counter.loop, count_it, &counter);
    loop_post(counter.loop, stop_it, counter.loop);
    assert_int_equal(loop_run(counter.loop), 0);
    assert_int_equal(counter.count, 1);
    assert_true(pthread_equal(counter.thread, pthread_self()));
    loop_free(counter.loop);
}

static void runs_tasks_posted_before_the_stop(void **state)
{
    struct counter counter = {.loop = loop_new("stop", NULL)};

    (void)state;
    assert_int_equal(loop_start(counter.loop, NULL), 0);
    for (int i = 0; i < 100; i++)
        loop_post(counter.loop, count_it, &counter);
    loop_stop(counter.loop);
    loop_join(counter.loop);
    assert_int_equal(counter.count, 100);
    assert_false(pthread_equal(counter.thread, pthread_self()));
    loop_free(counter.loop);
}

struct post {
    struct counter *counter;
    int poster;
    int number;
};

static void check_order(void *argument)
{
    struct post *post = argument;

    if (post->counter->last[post->poster] != post->number)
        post->counter->in_order = false;
    post->counter->last[post->poster]++;
    post->counter->count++;
}

static void *post_many(void *argument)
{
    struct post *posts = argument;

    for (int i = 0; i < POSTS; i++)
        loop_post(posts[i].counter->loop, check_order, &posts[i]);
    return NULL;
}

static void keeps_the_order_of_each_thread(void **state)
{
    static struct post posts[POSTERS][POSTS];
    struct counter counter = {.loop = loop_new("order", NULL), .in_order = true};
    pthread_t threads[POSTERS];

    (void)state;
    assert_int_equal(loop_start(counter.loop, NULL), 0);
    for (int t = 0; t < POSTERS; t++) {
        for (int i = 0; i < POSTS; i++)
            posts[t][i] = (struct post){&counter, t, i};
        assert_int_equal(pthread_create(&threads[t], NULL, post_many, posts[t]), 0);
    }
    for (int t = 0; t < POSTERS; t++)
        pthread_join(threads[t], NULL);
    loop_stop(counter.loop);
    loop_join(counter.loop);
    assert_int_equal(counter.count, POSTERS * POSTS);
    assert_true(counter.in_order);
    loop_free(counter.loop);
}

static void post_again(void *argument)
{
    struct counter *counter = argument;

    if (++counter->count < 1000)
        loop_post(counter->loop, post_again, counter);
    else
        loop_stop(counter->loop);
}

static void takes_posts_from_its_own_tasks(void **state)
{
    struct counter counter = {.loop = loop_new("again", NULL)};

    (void)state;
    loop_post(counter.loop, post_again, &counter);
    assert_int_equal(loop_run(counter.loop), 0);
    assert_int_equal(counter.count, 1000);
    loop_free(counter.loop);
}

struct fairness {
    struct loop *loop;
    bool socket_seen;
};

static void on_readable(evutil_socket_t fd, short events, void *argument)
{
    struct fairness *fairness = argument;

    (void)fd;
    (void)events;
    fairness->socket_seen = true;
    loop_stop(fairness->loop);
}

static void post_until_seen(void *argument)
{
    struct fairness *fairness = argument;

    if (!fairness->socket_seen)
        loop_post(fairness->loop, post_until_seen, fairness);
}

static void tasks_do_not_starve_sockets(void **state)
{
    struct fairness fairness = {.loop = loop_new("fair", NULL)};
    struct event *event;
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    event = event_new(loop_base(fairness.loop), pipes[0], EV_READ, on_readable, &fairness);
    event_add(event, NULL);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    loop_post(fairness.loop, post_until_seen, &fairness);
    assert_int_equal(loop_run(fairness.loop), 0);
    assert_true(fairness.socket_seen);
    event_free(event);
    loop_free(fairness.loop);
    close(pipes[0]);
    close(pipes[1]);
}

static void runs_what_is_left_when_freed(void **state)
{
    struct counter counter = {.loop = loop_new("left", NULL)};

    (void)state;
    loop_stop(counter.loop);
    assert_int_equal(loop_run(counter.loop), 0);
    loop_post(counter.loop, count_it, &counter);
    loop_post(counter.loop, count_it, &counter);
    assert_int_equal(counter.count, 0);
    loop_free(counter.loop);
    assert_int_equal(counter.count, 2);
}

struct look {
    sigset_t mask;
    char name[16];
};

static void look_around(void *argument)
{
    struct look *look = argument;

    pthread_sigmask(SIG_SETMASK, NULL, &look->mask);
    pthread_getname_np(pthread_self(), look->name, sizeof(look->name));
}

static void names_its_thread_and_blocks_signals(void **state)
{
    struct loop *loop = loop_new("a-name-that-is-too-long", NULL);
    struct look look;
    sigset_t mine;

    (void)state;
    assert_int_equal(loop_start(loop, NULL), 0);
    loop_post(loop, look_around, &look);
    loop_stop(loop);
    loop_join(loop);
    loop_free(loop);
    assert_string_equal(look.name, "a-name-that-is-");
    assert_int_equal(sigismember(&look.mask, SIGTERM), 1);
    assert_int_equal(sigismember(&look.mask, SIGHUP), 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

static void time_goes_forward(void **state)
{
    int64_t before = loop_now();

    (void)state;
    assert_true(before > 0);
    assert_true(loop_now() >= before);
}

static void frees_nothing(void **state)
{
    (void)state;
    loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest loop[] = {
        cmocka_unit_test(runs_on_the_calling_thread),
        cmocka_unit_test(runs_tasks_posted_before_the_stop),
        cmocka_unit_test(keeps_the_order_of_each_thread),
        cmocka_unit_test(takes_posts_from_its_own_tasks),
        cmocka_unit_test(tasks_do_not_starve_sockets),
        cmocka_unit_test(runs_what_is_left_when_freed),
        cmocka_unit_test(names_its_thread_and_blocks_signals),
        cmocka_unit_test(time_goes_forward),
        cmocka_unit_test(frees_nothing),
    };

    return cmocka_run_group_tests(loop, NULL, NULL);
}
