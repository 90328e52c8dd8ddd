/* An event loop with a thread of its own, and the only way to speak to it from another thread:
 * loop_post. Everything an object of the loop does happens on the loop's thread, so the objects
 * need no locks. */
#ifndef APPNET_BASE_LOOP_H
#define APPNET_BASE_LOOP_H

#include <stdint.h>

#include "appnet/base/error.h"

struct event_base;
struct loop;

/* Makes a loop that does not run yet; `name` (15 bytes at most) becomes the thread's name. */
struct loop *loop_new(const char *name, struct error *err);

/* libevent's base, for event_new and friends, on the loop's thread only (or before it starts). */
struct event_base *loop_base(struct loop *loop);

/* Runs the loop on the calling thread until loop_stop. Returns 0, or -1 when libevent failed. */
int loop_run(struct loop *loop);

/* Starts a thread that runs the loop, with all signals blocked in it. */
int loop_start(struct loop *loop, struct error *err);

/* Asks the loop to run `task(argument)` on its own thread; from any thread. Tasks run in the order
 * posted. Never blocks on I/O. Tasks posted after loop_stop has been seen run in loop_free, on the
 * thread that frees. */
void loop_post(struct loop *loop, void (*task)(void *argument), void *argument);

/* Asks the loop to end; from any thread. Tasks posted earlier are run first. */
void loop_stop(struct loop *loop);

/* Waits for the thread of loop_start to end; returns at once if none was started. */
void loop_join(struct loop *loop);

/* Runs the tasks that are left, on the calling thread, until there are none. The loop must not be
 * running. */
void loop_drain(struct loop *loop);

/* Runs the tasks that are left, then frees. The loop must not be running. */
void loop_free(struct loop *loop);

/* Monotonic time in microseconds. */
int64_t loop_now(void);

#endif
