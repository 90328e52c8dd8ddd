#include "appnet/base/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"

struct task {
    void (*run)(void *argument);
    void *argument;
};

struct task_list {
    struct task *tasks;
    unsigned count;
    unsigned room;
};

struct loop {
    char name[16];
    struct event_base *base;
    struct event *wake_event;
    int wake_fd;
    pthread_t thread;
    bool started; /* there is a thread to join */
    pthread_mutex_t lock;
    struct task_list posted; /* guarded by lock */
    struct task_list
        running; /* the loop's own: swapped with posted, so that its room is used again */
};

static struct task_list take(struct loop *loop)
{
    struct task_list taken;

    pthread_mutex_lock(&loop->lock);
    taken = loop->posted;
    loop->posted = loop->running;
    loop->posted.count = 0;
    loop->running = taken;
    pthread_mutex_unlock(&loop->lock);
    return taken;
}

/* One batch: a task that posts tasks does not keep the loop from its sockets. */
static unsigned run_batch(struct loop *loop)
{
    struct task_list batch = take(loop);

    for (unsigned i = 0; i < batch.count; i++)
        batch.tasks[i].run(batch.tasks[i].argument);
    return batch.count;
}

static void on_wake(evutil_socket_t fd, short events, void *argument)
{
    uint64_t ignored;

    (void)events;
    /* Cleared before the queue is taken: a post after that writes anew. */
    if (read(fd, &ignored, sizeof(ignored)) > 0)
        run_batch(argument);
}

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (!config)
        return NULL;
    /* Each loop belongs to one thread. The environment must not switch on epoll's changelist: it
     * loses changes to a descriptor that is closed and opened again in one turn. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_new(const char *name, struct error *err)
{
    struct loop *loop = memory_zalloc(sizeof(*loop));

    snprintf(loop->name, sizeof(loop->name), "%s", name);
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = make_base();
    if (loop->wake_fd >= 0 && loop->base)
        loop->wake_event =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (!loop->wake_event || event_add(loop->wake_event, NULL) != 0) {
        error_set(err, "cannot make an event loop: out of descriptors or memory");
        loop_free(loop);
        return NULL;
    }
    return loop;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int loop_run(struct loop *loop)
{
    int rc;

    log_hold();
    do {
        rc = event_base_loop(loop->base, EVLOOP_ONCE);
        log_flush();
    } while (rc == 0 && !event_base_got_break(loop->base));
    log_release();
    return rc;
}

static void *thread_main(void *argument)
{
    struct loop *loop = argument;

    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

int loop_start(struct loop *loop, struct error *err)
{
    sigset_t all;
    sigset_t old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return error_set_errno(err, rc, "cannot start the thread %s", loop->name);
    loop->started = true;
    return 0;
}

void loop_post(struct loop *loop, void (*run)(void *argument), void *argument)
{
    static const uint64_t one = 1;
    struct task_list *posted = &loop->posted;
    bool was_empty;

    pthread_mutex_lock(&loop->lock);
    if (posted->count == posted->room) {
        posted->room = posted->room ? posted->room * 2 : 16;
        posted->tasks = memory_grow(posted->tasks, posted->room, sizeof(*posted->tasks));
    }
    was_empty = posted->count == 0;
    posted->tasks[posted->count++] = (struct task){run, argument};
    pthread_mutex_unlock(&loop->lock);
    /* Fails only when the counter is full, and then the loop is awake anyway. */
    if (was_empty && write(loop->wake_fd, &one, sizeof(one)) < 0)
        return;
}

static void stop(void *argument)
{
    struct loop *loop = argument;

    event_base_loopbreak(loop->base);
}

void loop_stop(struct loop *loop)
{
    loop_post(loop, stop, loop);
}

void loop_join(struct loop *loop)
{
    if (loop->started)
        pthread_join(loop->thread, NULL);
    loop->started = false;
}

void loop_drain(struct loop *loop)
{
    while (run_batch(loop) > 0)
        continue;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop_drain(loop);
    if (loop->wake_event)
        event_free(loop->wake_event);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop->posted.tasks);
    free(loop->running.tasks);
    free(loop);
}

int64_t loop_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
