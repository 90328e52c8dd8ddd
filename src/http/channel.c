#include "channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "appnet/base/memory.h"
#include "appnet/tunnel/sender.h"

/* A peer that answers nothing for so long is not there any more. */
#define DEAD_MILLISECONDS 20000
/* Answers to pings and settings that wait for a peer who does not read. */
#define OWED_MAX 1000

struct channel {
    struct event *readable, *writable, *flush;
    nghttp2_session *session;
    struct established *established;
    struct sender sender;
    struct buffers *buffers;
    struct receive_buffer *received; /* NULL: nothing half-received */
    const struct channel_handlers *handlers;
    void *owner;
    const uint8_t *left; /* of what the session says, the part that the sender had no room for */
    size_t left_size;
    bool blocked, failed;
    char reason[ERROR_TEXT_SIZE];
};

static void fail(struct channel *channel, const char *reason)
{
    if (!channel->failed) {
        channel->failed = true;
        snprintf(channel->reason, sizeof channel->reason, "%s", reason);
        event_active(channel->flush, EV_TIMEOUT, 0);
    }
}

/* ---- receiving ---- */

static bool open_records(struct channel *channel, struct receive_buffer *buffer)
{
    struct record *record = channel->established->record;
    struct error err = ERROR_INIT;
    uint8_t *plain = NULL;
    size_t taken = 0;
    size_t length = 0;

    while (buffer->begin < buffer->end) {
        switch (record->engine->open(record, buffer->bytes + buffer->begin,
                                     buffer->end - buffer->begin, &taken, &plain, &length, &err)) {
        case RECORD_OPENED:
            buffer->begin += taken;
            if (nghttp2_session_mem_recv(channel->session, plain, length) < 0) {
                fail(channel, "the peer broke HTTP/2");
                return false;
            }
            if (nghttp2_session_get_outbound_queue_size(channel->session) > OWED_MAX) {
                fail(channel, "the peer asks for more than it reads");
                return false;
            }
            break;
        case RECORD_PARTIAL:
            return true;
        case RECORD_CLOSED:
            fail(channel, "the peer closed the connection");
            return false;
        case RECORD_FAILED:
            fail(channel, err.text);
            return false;
        }
    }
    return true;
}

static void receive(struct channel *channel)
{
    struct record *record = channel->established->record;
    struct receive_buffer *buffer = channel->received;
    ssize_t n;

    if (!buffer && !(buffer = channel->received = buffers_take_receive(channel->buffers))) {
        fail(channel, "no memory to receive");
        return;
    }
    n = record->engine->receive(record, channel->established->fd, buffer->bytes + buffer->end,
                                RECEIVE_BUFFER_SIZE - buffer->end);
    if (n == 0) {
        fail(channel, "the peer closed the connection");
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(channel, "the connection to the peer broke");
    } else if (n > 0) {
        buffer->end += (size_t)n;
        if (!open_records(channel, buffer)) {
            return;
        }
        memmove(buffer->bytes, buffer->bytes + buffer->begin, buffer->end - buffer->begin);
        buffer->end -= buffer->begin;
        buffer->begin = 0;
    }
    if (buffer->end == 0) {
        buffers_give_receive(channel->buffers, buffer);
        channel->received = NULL;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct channel *channel = argument;

    (void)fd;
    (void)what;
    if (!channel->failed) {
        receive(channel);
        event_active(channel->flush, EV_TIMEOUT, 0);
    }
}

/* ---- sending ---- */

/* Lays what the session has to say into the sender, as far as that has room. */
static int fill(struct channel *channel)
{
    size_t room;
    uint8_t *place;

    for (;;) {
        if (channel->left_size == 0) {
            ssize_t n = nghttp2_session_mem_send(channel->session, &channel->left);
            if (n <= 0) {
                return (int)n;
            }
            channel->left_size = (size_t)n;
        }
        place = sender_room(&channel->sender, 1, &room);
        if (!place) {
            return 0;
        }
        if (room > channel->left_size) {
            room = channel->left_size;
        }
        memcpy(place, channel->left, room);
        sender_commit(&channel->sender, room);
        channel->left += room;
        channel->left_size -= room;
    }
}

/* Until there is no more to say, or the socket takes no more. */
static enum sender_result say_all(struct channel *channel, struct error *err)
{
    enum sender_result result;

    do {
        int rc = fill(channel);
        if (rc != 0) {
            error_set(err, "HTTP/2 cannot go on: %s", nghttp2_strerror(rc));
            return SENDER_FAILED;
        }
        result = sender_flush(&channel->sender, err);
    } while (result == SENDER_EMPTY && channel->left_size > 0);
    return result;
}

static void flush(struct channel *channel)
{
    struct error err = ERROR_INIT;

    switch (say_all(channel, &err)) {
    case SENDER_FAILED:
        fail(channel, err.text);
        break;
    case SENDER_BLOCKED:
        channel->blocked = true;
        event_add(channel->writable, NULL);
        break;
    case SENDER_EMPTY:
        if (!nghttp2_session_want_read(channel->session) &&
            !nghttp2_session_want_write(channel->session)) {
            fail(channel, "finished");
        }
        break;
    }
}

static void release(struct channel *channel)
{
    if (channel->readable) {
        event_free(channel->readable);
    }
    if (channel->writable) {
        event_free(channel->writable);
    }
    if (channel->flush) {
        event_free(channel->flush);
    }
    nghttp2_session_del(channel->session);
    sender_clear(&channel->sender);
    if (channel->received) {
        buffers_give_receive(channel->buffers, channel->received);
    }
    established_free(channel->established);
    free(channel);
}

/* What can still be said: a GOAWAY that explains, then the TLS farewell. */
static void say_last_words(struct channel *channel)
{
    struct error ignored;

    if (!channel->blocked && say_all(channel, &ignored) == SENDER_EMPTY) {
        sender_farewell(&channel->sender);
    }
}

static void on_flush(evutil_socket_t fd, short what, void *argument)
{
    struct channel *channel = argument;

    (void)fd;
    (void)what;
    if (!channel->failed && !channel->blocked) {
        flush(channel);
    }
    if (channel->failed) {
        event_del(channel->readable);
        say_last_words(channel);
        channel->handlers->closed(channel->owner, channel->reason);
        release(channel);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
    struct channel *channel = argument;

    channel->blocked = false;
    on_flush(fd, what, argument);
}

/* ---- making ---- */

static int make_session(struct channel *channel)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_mem mem = blocks_mem(buffers_blocks(channel->buffers));
    int rc;

    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -1;
    }
    channel->handlers->configure(callbacks);
    rc =
        channel->established->is_client
            ? nghttp2_session_client_new3(&channel->session, callbacks, channel->owner, NULL, &mem)
            : nghttp2_session_server_new3(&channel->session, callbacks, channel->owner, NULL, &mem);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

struct channel *channel_new(struct event_base *base, struct established *established,
                            struct buffers *buffers, const struct channel_handlers *handlers,
                            void *owner, struct error *err)
{
    struct channel *channel = memory_zalloc(sizeof *channel);
    unsigned patience = DEAD_MILLISECONDS;

    channel->established = established;
    channel->sender.buffers = channel->buffers = buffers;
    channel->sender.record = established->record;
    channel->sender.fd = established->fd;
    channel->handlers = handlers;
    channel->owner = owner;
    setsockopt(established->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    channel->readable =
        event_new(base, established->fd, EV_READ | EV_PERSIST, on_readable, channel);
    channel->writable = event_new(base, established->fd, EV_WRITE, on_writable, channel);
    channel->flush = event_new(base, -1, 0, on_flush, channel);
    if (!channel->readable || !channel->writable || !channel->flush || make_session(channel) != 0 ||
        event_add(channel->readable, NULL) != 0) {
        error_set(err, "no memory for an HTTP/2 connection");
        release(channel);
        return NULL;
    }
    return channel;
}

nghttp2_session *channel_session(const struct channel *channel)
{
    return channel->session;
}

const struct established *channel_established(const struct channel *channel)
{
    return channel->established;
}

void channel_flush(struct channel *channel)
{
    event_active(channel->flush, EV_TIMEOUT, 0);
}

bool channel_is_blocked(const struct channel *channel)
{
    return channel->blocked;
}

void channel_close(struct channel *channel, const char *reason)
{
    fail(channel, reason);
}

void channel_free(struct channel *channel)
{
    if (channel) {
        say_last_words(channel);
        release(channel);
    }
}
