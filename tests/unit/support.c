#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/error.h"

/* Far longer than anything takes on the slowest machine: a test that fails should still end. */
#define TICK_MICROSECONDS 20000
#define TICKS_MAX 6000
/* On sockets of one process nothing takes longer to arrive. */
#define QUIET_MICROSECONDS 5000
#define QUIET_TICKS 5

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifdef SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

static char folder[32];

int support_enter_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/appnet-test-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

int support_leave_folder(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

void support_fill(uint8_t *out, size_t size, uint32_t seed)
{
    uint32_t value = seed * 2654435761U + 12345;

    for (size_t i = 0; i < size; i++) {
        value = value * 1664525 + 1013904223;
        out[i] = (uint8_t)(value >> 24);
    }
}

/* ---- sockets ---- */

int support_listen(struct address *out)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(out->host, sizeof(out->host), "127.0.0.1");
    out->port = ntohs(at.sin_port);
    return fd;
}

void support_free_address(struct address *out)
{
    close(support_listen(out));
}

int support_connect(const struct address *address)
{
    struct socket_address at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(address_resolve(address, &at, NULL), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at.storage, at.length), 0);
    return fd;
}

void support_tcp_pair(int pair[2])
{
    struct address address;
    int listener = support_listen(&address);
    int on = 1;

    pair[0] = support_connect(&address);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(pair[1] >= 0);
    close(listener);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fcntl(pair[i], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    }
}

unsigned support_open_descriptors(void)
{
    DIR *listing = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(listing);
    while (readdir(listing))
        count++;
    closedir(listing);
    return count;
}

size_t support_memory_in_use(void)
{
#ifdef SANITIZED
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
#endif
}

/* ---- turns of an event base ---- */

struct event_base *support_base(void)
{
    struct event_base *base = event_base_new();

    assert_non_null(base);
    return base;
}

static void on_tick(evutil_socket_t fd, short what, void *ticks)
{
    (void)fd;
    (void)what;
    ++*(unsigned *)ticks;
}

static struct event *begin_to_tick(struct event_base *base, long microseconds, unsigned *ticks)
{
    struct timeval period = {0, microseconds};
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, ticks);

    assert_non_null(tick);
    assert_int_equal(event_add(tick, &period), 0);
    return tick;
}

void support_turn_until(struct event_base *base, bool (*done)(void *argument), void *argument)
{
    unsigned ticks = 0;
    struct event *tick = begin_to_tick(base, TICK_MICROSECONDS, &ticks);

    while (!done(argument) && ticks < TICKS_MAX)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(tick);
    if (!done(argument))
        fail_msg("what was waited for did not come");
}

void support_turn_quiet(struct event_base *base)
{
    unsigned ticks = 0;
    unsigned idle = 0;
    struct event *tick = begin_to_tick(base, QUIET_MICROSECONDS, &ticks);

    /* A turn that the tick did not end was ended by something else. */
    while (idle < QUIET_TICKS && ticks < TICKS_MAX) {
        unsigned before = ticks;

        event_base_loop(base, EVLOOP_ONCE);
        idle = ticks == before ? 0 : idle + 1;
    }
    event_free(tick);
}
