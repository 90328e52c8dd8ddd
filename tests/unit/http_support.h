/* A handler for the doors' tests: what it does is in the request's path. It runs on the loop that
 * the door runs on, which may be another thread than the test's. */
#ifndef TESTS_UNIT_HTTP_SUPPORT_H
#define TESTS_UNIT_HTTP_SUPPORT_H

#include <stdatomic.h>

#include "appnet/base/loop.h"
#include "appnet/http/exchange.h"

#define SUPPORT_HELD_MAX 2048

/* What the paths do:
 *
 *  /echo       200, "METHOD PATH?QUERY BODY", and the request's X-Test as the answer's
 *  /who        200, the peer's SPIFFE ID, or "nobody"
 *  /cookie     200, the request's cookie
 *  /nothing    204
 *  /size?N     200, N bytes of a pattern
 *  /later      as /echo, from a timer
 *  /hold       not answered until support_release
 *  /lines?N    begins, writes N lines "0\n", "1\n", each from a turn of its own, and ends
 *  /endless    begins, writes a line every 10 ms, never ends
 *  /flood      begins, writes 64 KiB a turn until it is told that there is nobody, never ends
 *  /gossip     begins; when one of them is closed, writes a line to all others; never ends
 *  /burst?N    begins and writes N bytes at once, never ends
 *  /overflow   the same with almost as many as may lie, and then with a few too many
 */
struct work;
struct support_service {
    struct loop *loop;
    atomic_uint requests, closed, cut; /* cut: write said -1 */
    atomic_uint open;                  /* that began, or are held */
    struct work *held[SUPPORT_HELD_MAX];
    unsigned held_count;
};

struct http_handler support_service_handler(struct support_service *service);

/* Answers all that are held; to be posted to the loop. */
void support_release(void *service);

/* The byte at a place of the pattern. */
char support_pattern(size_t place);

#endif
