#include "appnet/sidecar/listeners.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"

/* A worker that still closes the socket of an earlier connection is done long before this many
 * tries. */
#define QUIET_TRIES 5
#define QUIET_MICROSECONDS 50000
#define RETRY_MICROSECONDS 1000000

struct listener {
    struct listeners *owner;
    struct snapshot_outbound outbound;
    bool open;
    unsigned tries;
    struct event *retry;
};

struct listeners {
    struct event_base *base;
    struct worker **workers;
    unsigned worker_count;
    struct board *board;
    struct listener **items;
    unsigned count;
};

static void try_open(struct listener *listener)
{
    struct listeners *owner = listener->owner;
    int *fds = memory_zalloc(owner->worker_count * sizeof *fds);
    char text[ADDRESS_TEXT_SIZE];
    struct error err = ERROR_INIT;

    listener->tries++;
    if (acceptor_open(&listener->outbound.listen, fds, owner->worker_count, &err) == 0) {
        for (unsigned i = 0; i < owner->worker_count; i++) {
            worker_listen(owner->workers[i], listener->outbound.name, fds[i]);
        }
        listener->open = true;
        address_format(&listener->outbound.listen, text, sizeof text);
        log_info("listening", LOG_S("kind", "outbound"), LOG_S("name", listener->outbound.name),
                 LOG_S("address", text));
        board_listening(owner->board, listener->outbound.name, NULL);
    } else {
        bool quiet = listener->tries < QUIET_TRIES;
        struct timeval when = {quiet ? 0 : RETRY_MICROSECONDS / 1000000,
                               quiet ? QUIET_MICROSECONDS : 0};
        event_add(listener->retry, &when);
        if (!quiet) {
            board_listening(owner->board, listener->outbound.name, &err);
        }
    }
    free(fds);
}

static void on_retry(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    try_open(argument);
}

static void listener_free(struct listener *listener)
{
    if (listener) {
        event_free(listener->retry);
        free(listener);
    }
}

struct listeners *listeners_new(struct event_base *base, struct worker **workers,
                                unsigned worker_count, struct board *board)
{
    struct listeners *listeners = memory_zalloc(sizeof *listeners);

    listeners->base = base;
    listeners->workers = workers;
    listeners->worker_count = worker_count;
    listeners->board = board;
    return listeners;
}

void listeners_free(struct listeners *listeners)
{
    if (listeners) {
        for (unsigned i = 0; i < listeners->count; i++) {
            listener_free(listeners->items[i]);
        }
        free(listeners->items);
        free(listeners);
    }
}

/* Takes the listener of the same socket out of the old list. */
static struct listener *take_same(struct listeners *listeners,
                                  const struct snapshot_outbound *outbound)
{
    for (unsigned i = 0; i < listeners->count; i++) {
        struct listener *at = listeners->items[i];
        if (at && snapshot_same_socket(&at->outbound, outbound)) {
            listeners->items[i] = NULL;
            return at;
        }
    }
    return NULL;
}

void listeners_apply(struct listeners *listeners, const struct snapshot *snapshot)
{
    struct listener **items = memory_zalloc((snapshot->outbound_count + 1) * sizeof *items);
    unsigned kept = 0;

    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        const struct snapshot_outbound *outbound = &snapshot->outbounds[i];
        struct listener *listener;
        if (!outbound->connected) {
            continue;
        }
        listener = take_same(listeners, outbound);
        if (!listener) {
            listener = memory_zalloc(sizeof *listener);
            listener->owner = listeners;
            listener->outbound = *outbound;
            listener->retry = event_new(listeners->base, -1, 0, on_retry, listener);
        }
        items[kept++] = listener;
    }
    for (unsigned i = 0; i < listeners->count; i++) {
        listener_free(listeners->items[i]);
    }
    free(listeners->items);
    listeners->items = items;
    listeners->count = kept;
    for (unsigned i = 0; i < kept; i++) {
        if (items[i]->tries == 0) {
            try_open(items[i]);
        } else if (items[i]->open) {
            board_listening(listeners->board, items[i]->outbound.name, NULL);
        }
    }
}
