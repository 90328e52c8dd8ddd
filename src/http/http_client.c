#include "appnet/http/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "appnet/base/memory.h"
#include "channel.h"

struct http_call {
    LIST_ENTRY(http_call) link;
    struct http_client *client;
    const struct http_call_handlers *handlers; /* NULL: cancelled */
    void *argument;
    char *method, *path, *body;
    size_t size, given; /* of the body */
    int32_t id;         /* 0: not submitted */
    unsigned status;
    struct evbuffer *answer;
    struct event *deadline;
    struct error why;
    bool telling; /* a line */
};

/* A dial under way; outlives its client if that is freed meanwhile. */
struct attempt {
    struct http_client *client;
};

struct http_client {
    struct loop *loop;
    struct handshaker *handshaker;
    struct address address;
    struct tls_expected expected;
    char authority[ADDRESS_TEXT_SIZE];
    struct buffers *buffers;
    struct attempt *attempt; /* NULL: none under way */
    struct channel *channel; /* NULL: not connected */
    LIST_HEAD(, http_call) calls;
};

static const struct timeval at_once = {0, 0};

/* ---- calls ---- */

static void call_free(struct http_call *call)
{
    LIST_REMOVE(call, link);
    event_free(call->deadline);
    evbuffer_free(call->answer);
    free(call->method);
    free(call->path);
    free(call->body);
    free(call);
}

/* The one end of every call. */
static void finish(struct http_call *call, unsigned status)
{
    size_t size = evbuffer_get_length(call->answer);
    char *body = memory_zalloc(size + 1);

    evbuffer_remove(call->answer, body, size);
    if (call->handlers) {
        call->handlers->done(call->argument, status, body, size, &call->why);
    }
    free(body);
    call_free(call);
}

static void fail(struct http_call *call, const char *why)
{
    error_set(&call->why, "%s", why);
    finish(call, 0);
}

static void abandon_stream(struct http_call *call)
{
    const struct http_client *client = call->client;

    if (call->id != 0) {
        nghttp2_session *session = channel_session(client->channel);
        nghttp2_session_set_stream_user_data(session, call->id, NULL);
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
        channel_flush(client->channel);
        call->id = 0;
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
    struct http_call *call = argument;

    (void)fd;
    (void)what;
    abandon_stream(call);
    fail(call, "there was no answer in time");
}

void http_call_cancel(struct http_call *call)
{
    call->handlers = NULL;
    abandon_stream(call);
    if (!call->telling) {
        call_free(call);
    }
}

/* ---- the session ---- */

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http_call *call = source->ptr;
    size_t left = call->size - call->given;

    (void)session;
    (void)id;
    (void)user;
    if (size > left) {
        size = left;
    }
    memcpy(out, call->body + call->given, size);
    call->given += size;
    if (call->given == call->size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

#define FIELD(name, value)                                                                   \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), \
                  strlen(value), NGHTTP2_NV_FLAG_NONE})

static void submit(struct http_call *call)
{
    const struct http_client *client = call->client;
    nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = on_read};
    nghttp2_nv fields[5] = {FIELD(":method", call->method), FIELD(":scheme", "https"),
                            FIELD(":authority", client->authority), FIELD(":path", call->path)};
    size_t count = 4;
    int32_t id;

    if (call->body) {
        fields[count++] = FIELD("content-type", "application/json");
    }
    id = nghttp2_submit_request(channel_session(client->channel), NULL, fields, count,
                                call->body ? &provider : NULL, call);
    if (id < 0) {
        error_set(&call->why, "the connection takes no more requests");
        event_add(call->deadline, &at_once);
        return;
    }
    call->id = id;
    channel_flush(client->channel);
}

static struct http_call *call_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    struct http_call *call = call_of(session, frame->hd.stream_id);

    (void)value_length;
    (void)flags;
    (void)user;
    if (call && name_length == 7 && memcmp(name, ":status", 7) == 0) {
        call->status = (unsigned)atoi((const char *)value); /* nghttp2 has checked: three digits */
    }
    return 0;
}

/* False: the call was cancelled meanwhile, and is gone. */
static bool tell_lines(struct http_call *call)
{
    size_t length;
    char *line;

    call->telling = true;
    while (call->handlers && (line = evbuffer_readln(call->answer, &length, EVBUFFER_EOL_LF))) {
        call->handlers->line(call->argument, line, length);
        free(line);
    }
    call->telling = false;
    if (!call->handlers) {
        call_free(call);
        return false;
    }
    return true;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t length, void *user)
{
    struct http_call *call = call_of(session, id);

    (void)flags;
    (void)user;
    if (!call) {
        return 0;
    }
    evbuffer_add(call->answer, data, length);
    if (call->handlers->line && call->status == 200 && !tell_lines(call)) {
        return 0;
    }
    if (evbuffer_get_length(call->answer) > HTTP_ANSWER_MAX) {
        abandon_stream(call);
        fail(call, "the answer is longer than it may be");
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct http_call *call = call_of(session, id);

    (void)user;
    if (!call) {
        return 0;
    }
    call->id = 0;
    if (error_code == NGHTTP2_NO_ERROR && call->status != 0) {
        finish(call, call->status);
    } else {
        fail(call, "the server broke the answer off");
    }
    return 0;
}

static void configure(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* ---- the connection ---- */

/* Those that are there now; a handler may begin new ones, which dial again. */
static void fail_all(struct http_client *client, const char *why)
{
    LIST_HEAD(, http_call) old = LIST_HEAD_INITIALIZER(old);
    struct http_call *call;

    while ((call = LIST_FIRST(&client->calls))) {
        LIST_REMOVE(call, link);
        LIST_INSERT_HEAD(&old, call, link);
        call->id = 0;
    }
    while ((call = LIST_FIRST(&old))) {
        fail(call, why);
    }
}

static void on_channel_closed(void *owner, const char *reason)
{
    struct http_client *client = owner;

    client->channel = NULL;
    fail_all(client, reason);
}

static const struct channel_handlers handlers = {configure, on_channel_closed};

static void on_dialled(void *argument, struct established *established, enum dial_failure failure,
                       const struct error *why)
{
    struct attempt *attempt = argument;
    struct http_client *client = attempt->client;
    struct error err = ERROR_INIT;
    struct http_call *call;

    (void)failure;
    free(attempt);
    if (!client) {
        established_free(established);
        return;
    }
    client->attempt = NULL;
    if (!established) {
        fail_all(client, why->text);
        return;
    }
    client->channel =
        channel_new(loop_base(client->loop), established, client->buffers, &handlers, client, &err);
    if (!client->channel) {
        fail_all(client, err.text);
        return;
    }
    nghttp2_submit_settings(channel_session(client->channel), NGHTTP2_FLAG_NONE, NULL, 0);
    LIST_FOREACH (call, &client->calls, link) {
        submit(call);
    }
}

static void dial(struct http_client *client)
{
    if (!client->attempt) {
        client->attempt = memory_zalloc(sizeof *client->attempt);
        client->attempt->client = client;
        handshaker_dial(client->handshaker, &client->address, &client->expected, client->loop,
                        on_dialled, client->attempt);
    }
}

struct http_client *http_client_new(struct loop *loop, struct handshaker *handshaker,
                                    const struct address *address,
                                    const struct tls_expected *expected)
{
    struct http_client *client = memory_zalloc(sizeof *client);

    client->loop = loop;
    client->handshaker = handshaker;
    client->address = *address;
    client->expected = *expected;
    client->buffers = buffers_new();
    address_format(address, client->authority, sizeof client->authority);
    LIST_INIT(&client->calls);
    return client;
}

void http_client_free(struct http_client *client)
{
    struct http_call *call;

    if (!client) {
        return;
    }
    if (client->attempt) {
        client->attempt->client = NULL;
    }
    while ((call = LIST_FIRST(&client->calls))) {
        abandon_stream(call);
        call_free(call);
    }
    channel_free(client->channel);
    buffers_free(client->buffers);
    free(client);
}

struct http_call *http_client_request(struct http_client *client, const char *method,
                                      const char *path, const void *body, size_t size,
                                      unsigned seconds,
                                      const struct http_call_handlers *call_handlers,
                                      void *argument)
{
    const struct timeval patience = {(time_t)seconds, 0};
    struct http_call *call = memory_zalloc(sizeof *call);

    call->client = client;
    call->handlers = call_handlers;
    call->argument = argument;
    call->method = memory_strdup(method);
    call->path = memory_strdup(path);
    if (body) {
        call->body = memory_zalloc(size + 1);
        memcpy(call->body, body, size);
        call->size = size;
    }
    call->answer = evbuffer_new();
    call->deadline = event_new(loop_base(client->loop), -1, 0, on_deadline, call);
    if (seconds > 0) {
        event_add(call->deadline, &patience);
    }
    LIST_INSERT_HEAD(&client->calls, call, link);
    if (client->channel) {
        submit(call);
    } else {
        dial(client);
    }
    return call;
}

bool http_client_local_host(const struct http_client *client, char *out, size_t size)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address address;

    if (!client->channel) {
        return false;
    }
    socket_local_format(channel_established(client->channel)->fd, text, sizeof text);
    if (address_parse(text, &address, NULL) != 0) {
        return false;
    }
    snprintf(out, size, "%s", address.host);
    return true;
}
