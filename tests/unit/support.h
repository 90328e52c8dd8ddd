/* What many unit tests need. A helper that fails makes the test that called it fail, so helpers are
 * for the thread of the test. */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/base/address.h"

struct event_base;

/* A new folder to work in, and its removal: the set-up and the tear-down of a group of tests. */
int support_enter_folder(void **state);
int support_leave_folder(void **state);

/* Bytes that can be told from their neighbours; the same for the same `seed`. */
void support_fill(uint8_t *out, size_t size, uint32_t seed);

/* A listening socket on a free port of 127.0.0.1. */
int support_listen(struct address *out);

/* A port of 127.0.0.1 where nobody listens. */
void support_free_address(struct address *out);

/* Connects; blocking, close-on-exec. */
int support_connect(const struct address *address);

/* Two connected, non-blocking TCP sockets of the loopback interface. */
void support_tcp_pair(int pair[2]);

/* Descriptors that this process has open. */
unsigned support_open_descriptors(void);

/* Bytes that malloc has handed out and not got back, as far as the C library or the sanitizer can
 * tell. */
size_t support_memory_in_use(void);

/* A base as loop.h makes them. */
struct event_base *support_base(void);

/* Turns `base` until `done`; fails the test when that takes too long. */
void support_turn_until(struct event_base *base, bool (*done)(void *argument), void *argument);

/* Turns `base` until nothing more happens by itself; timers are not waited for. */
void support_turn_quiet(struct event_base *base);

#endif
