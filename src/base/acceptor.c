#include "appnet/base/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"

/* After this many the loop's other work has its turn. */
#define ACCEPT_BATCH 64
#define SHORTAGE_MICROSECONDS 100000

struct acceptor {
    struct event *readable, *resume;
    bool resting;
    int fd;
    void (*accepted)(void *argument, int fd);
    void *argument;
};

static int open_one(const struct socket_address *at, const char *text, bool shared,
                    struct error *err)
{
    int on = 1;
    int fd = socket(at->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return error_set_errno(err, errno, "no socket for %s", text);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (bind(fd, (const struct sockaddr *)&at->storage, at->length) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        error_set_errno(err, errno, "cannot listen on %s", text);
        close(fd);
        return -1;
    }
    return fd;
}

int acceptor_open(const struct address *address, int *fds, unsigned count, struct error *err)
{
    struct socket_address at;
    char text[ADDRESS_TEXT_SIZE];
    int alone;

    address_format(address, text, sizeof text);
    if (address_resolve(address, &at, err) != 0) {
        return -1;
    }
    /* Sockets that share a port bind beside another program's that does the same, unnoticed: one
     * that does not share finds out first. */
    alone = open_one(&at, text, false, err);
    if (alone < 0) {
        return -1;
    }
    if (count == 1) {
        fds[0] = alone;
        return 0;
    }
    close(alone);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = open_one(&at, text, true, err);
        if (fds[i] < 0) {
            while (i > 0) {
                close(fds[--i]);
            }
            return -1;
        }
    }
    return 0;
}

void acceptor_rest(struct acceptor *acceptor, int microseconds)
{
    const struct timeval pause = {0, microseconds};

    acceptor->resting = true;
    event_del(acceptor->readable);
    event_add(acceptor->resume, &pause);
}

void acceptor_pause(struct acceptor *acceptor)
{
    acceptor->resting = true;
    event_del(acceptor->readable);
    event_del(acceptor->resume);
}

void acceptor_resume(struct acceptor *acceptor)
{
    acceptor->resting = false;
    event_del(acceptor->resume);
    event_add(acceptor->readable, NULL);
}

static void log_shortage(const struct acceptor *acceptor, int reason)
{
    char local[ADDRESS_TEXT_SIZE];

    socket_local_format(acceptor->fd, local, sizeof local);
    log_warn("accepting paused", LOG_S("address", local), LOG_S("detail", strerror(reason)));
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct acceptor *acceptor = argument;

    (void)what;
    for (unsigned i = 0; i < ACCEPT_BATCH && !acceptor->resting; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            acceptor->accepted(acceptor->argument, client);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_shortage(acceptor, errno);
            acceptor_rest(acceptor, SHORTAGE_MICROSECONDS);
            return;
        }
        if (errno == EAGAIN) {
            return;
        }
        /* Otherwise that one connection failed before it was accepted: on to the next. */
    }
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    acceptor_resume(argument);
}

struct acceptor *acceptor_new(struct event_base *base, int fd,
                              void (*accepted)(void *argument, int fd), void *argument,
                              struct error *err)
{
    struct acceptor *acceptor = memory_zalloc(sizeof *acceptor);

    acceptor->fd = fd;
    acceptor->accepted = accepted;
    acceptor->argument = argument;
    acceptor->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, acceptor);
    acceptor->resume = event_new(base, -1, 0, on_resume, acceptor);
    if (!acceptor->readable || !acceptor->resume || event_add(acceptor->readable, NULL) != 0) {
        error_set(err, "no memory for a listening socket");
        acceptor_free(acceptor);
        return NULL;
    }
    return acceptor;
}

void acceptor_free(struct acceptor *acceptor)
{
    if (!acceptor) {
        return;
    }
    if (acceptor->readable) {
        event_free(acceptor->readable);
    }
    if (acceptor->resume) {
        event_free(acceptor->resume);
    }
    close(acceptor->fd);
    free(acceptor);
}
