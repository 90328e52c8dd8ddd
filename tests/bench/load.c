/* A load generator and its echo server, for more streams than redis-benchmark can do.
 *
 *   load serve PORT                      sends back what it receives, until it is ended
 *   load ask PORT STREAMS SECONDS BYTES  opens the streams, then each sends a request of so many
 *                                        bytes, waits for all of them to come back, and so on;
 *                                        prints what that gave as one JSON object
 *
 * Both are one thread with epoll, on 127.0.0.1. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define BYTES_MOST 16384
#define OPENING 64        /* streams that are opened at the same time */
#define PATIENCE_MS 20000 /* without any event */
#define BACKLOG 4096

struct stream {
    int fd;
    size_t missing; /* bytes of the answer under way */
    uint64_t asked; /* when, ns */
};

struct times {
    uint32_t *us; /* how long each answer took */
    size_t count, room;
};

static char buffer[BYTES_MOST];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp_socket(void)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void watch(int epoll, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

/* Requests are small and a stream has one at a time, so the whole fits into the socket's buffer. */
static bool send_all(int fd, size_t length)
{
    return send(fd, buffer, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* serve */

static void echo(int fd)
{
    ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0 || !send_all(fd, (size_t)got)) {
        close(fd);
    }
}

static void serve(int port)
{
    struct sockaddr_in address = loopback(port);
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener = tcp_socket(), one = 1;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, BACKLOG) != 0) {
        die("port %d: %s", port, strerror(errno));
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
              &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd != listener) {
                echo(fd);
            } else if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
                          &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
            }
        }
    }
}

/* ask */

static void times_add(struct times *times, uint64_t ns)
{
    if (times->count == times->room) {
        times->room = times->room != 0 ? 2 * times->room : 65536;
        times->us = realloc(times->us, times->room * sizeof(*times->us));
        if (times->us == NULL) {
            die("out of memory");
        }
    }
    times->us[times->count++] = (uint32_t)(ns / 1000);
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* Of sorted times, in milliseconds. */
static double part(const struct times *times, double share)
{
    return times->us[(size_t)((double)(times->count - 1) * share)] / 1000.0;
}

static void request(struct stream *stream, size_t bytes)
{
    stream->missing = bytes;
    stream->asked = now_ns();
    if (!send_all(stream->fd, bytes)) {
        die("a stream failed: %s", strerror(errno));
    }
}

/* Whether the answer is complete. */
static bool receive(struct stream *stream)
{
    ssize_t got = recv(stream->fd, buffer, stream->missing, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        die("a stream ended: %s", got == 0 ? "closed" : strerror(errno));
    }
    stream->missing -= got > 0 ? (size_t)got : 0;
    return stream->missing == 0;
}

static int wait_events(int epoll, struct epoll_event *events)
{
    int count = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);

    if (count <= 0 && errno != EINTR) {
        die("no answer for %d s", PATIENCE_MS / 1000);
    }
    return count;
}

/* Opens them a few at a time, and has one answer from each. */
static void open_streams(int epoll, struct stream *streams, size_t count, int port, size_t bytes)
{
    struct sockaddr_in address = loopback(port);
    struct epoll_event events[EVENTS];
    size_t opened = 0, answered = 0;

    while (answered < count) {
        for (; opened < count && opened < answered + OPENING; opened++) {
            streams[opened].fd = tcp_socket();
            if (connect(streams[opened].fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
                die("connect: %s", strerror(errno));
            }
            watch(epoll, streams[opened].fd, &streams[opened]);
            request(&streams[opened], bytes);
        }
        for (int i = wait_events(epoll, events); i-- > 0;) {
            answered += receive(events[i].data.ptr) ? 1 : 0;
        }
    }
}

static void ask(int port, size_t count, double seconds, size_t bytes)
{
    struct stream *streams = calloc(count, sizeof(*streams));
    struct epoll_event events[EVENTS];
    struct times times = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t begin, now, end;

    if (streams == NULL) {
        die("out of memory");
    }
    open_streams(epoll, streams, count, port, bytes);
    begin = now_ns();
    end = begin + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; i < count; i++) {
        request(&streams[i], bytes);
    }
    do {
        int ready = wait_events(epoll, events);

        for (int i = 0; i < ready; i++) {
            struct stream *stream = events[i].data.ptr;

            if (receive(stream)) {
                times_add(&times, now_ns() - stream->asked);
                request(stream, bytes);
            }
        }
        now = now_ns();
    } while (now < end || times.count == 0);
    qsort(times.us, times.count, sizeof(*times.us), compare);
    printf("{\"streams\": %zu, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", count,
           (double)times.count / ((double)(now - begin) / 1e9), part(&times, 0.5),
           part(&times, 0.99));
    free(times.us);
    free(streams);
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    int port = argc > 2 ? atoi(argv[2]) : 0;

    raise_limit();
    if (argc == 3 && strcmp(argv[1], "serve") == 0 && port > 0) {
        serve(port);
    } else if (argc == 6 && strcmp(argv[1], "ask") == 0 && port > 0 && atol(argv[3]) > 0 &&
               atof(argv[4]) > 0 && atol(argv[5]) > 0 && atol(argv[5]) <= BYTES_MOST) {
        ask(port, (size_t)atol(argv[3]), atof(argv[4]), (size_t)atol(argv[5]));
    } else {
        fputs("usage: load serve PORT | load ask PORT STREAMS SECONDS BYTES\n", stderr);
        return 2;
    }
    return EXIT_SUCCESS;
}
