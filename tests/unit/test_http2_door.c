/* The door with TLS and clients that do not behave, over HTTP/2 driven by hand. */
#include "appnet/http/http2_door.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <nghttp2/nghttp2.h>

#include "appnet/base/memory.h"
#include "appnet/tunnel/buffers.h"
#include "http2_support.h"
#include "support.h"
#include "tls_support.h"

#define PATIENCE_MICROSECONDS INT64_C(20000000)
#define STREAMS 130

/* What came of one stream. */
struct stream {
    unsigned status;
    size_t size;
    char text[1024]; /* the beginning of the body */
    bool ended, closed;
    bool has_test; /* the field that /echo gives back */
    uint32_t error;
};

/* A client: one connection, nothing done by itself but HTTP/2's own duties, and not those when it
 * does not read. */
struct client {
    struct support_scene *scene;
    struct established *established;
    nghttp2_session *session;
    struct stream streams[STREAMS]; /* by number: 1, 3, 5 are 0, 1, 2 */
    struct receive_buffer *received;
    bool dialled, ended, deaf;
    bool has_goaway;
    bool keeps_windows; /* shut: what it reads is not made room for */
};

/* What a client says in a request's body. */
struct body {
    size_t size, said;
    bool is_open; /* does not end with it */
};

static void on_dialled(void *argument, struct established *established, enum dial_failure failure,
                       const struct error *why)
{
    struct client *client = argument;

    (void)failure;
    if (!established) {
        fail_msg("%s", why->text);
    }
    client->established = established;
    client->dialled = true;
}

static bool is_dialled(void *argument)
{
    const struct client *client = argument;

    return client->dialled;
}

static struct stream *stream_of(struct client *client, int32_t id)
{
    assert_true(id > 0 && id / 2 < STREAMS);
    return &client->streams[id / 2];
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    (void)session;
    (void)value_length;
    (void)flags;
    if (name_length == 7 && memcmp(name, ":status", 7) == 0) {
        stream_of(user, frame->hd.stream_id)->status = (unsigned)atoi((const char *)value);
    } else if (name_length == 6 && memcmp(name, "x-test", 6) == 0) {
        stream_of(user, frame->hd.stream_id)->has_test = true;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t length, void *user)
{
    struct client *client = user;
    struct stream *stream = stream_of(client, id);

    (void)flags;
    for (size_t i = 0; i < length && stream->size + i + 1 < sizeof stream->text; i++) {
        stream->text[stream->size + i] = (char)data[i];
    }
    stream->size += length;
    if (!client->keeps_windows) {
        nghttp2_session_consume(session, id, length);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client *client = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->has_goaway = true;
    } else if (frame->hd.stream_id > 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
               (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
        stream_of(client, frame->hd.stream_id)->ended = true;
    }
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct stream *stream = stream_of(user, id);

    (void)session;
    stream->closed = true;
    stream->error = error;
    return 0;
}

static struct client *client_new(struct support_scene *scene, struct handshaker *handshaker)
{
    const struct tls_expected expected = {.who = TLS_REGISTRY};
    struct client *client = memory_zalloc(sizeof *client);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    client->scene = scene;
    client->received = memory_zalloc(sizeof *client->received);
    handshaker_dial(handshaker, &scene->address, &expected, scene->loop, on_dialled, client);
    support_scene_turn_until(scene, is_dialled, client);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, STREAMS);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    assert_int_equal(nghttp2_session_client_new2(&client->session, callbacks, client, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    return client;
}

static void client_free(struct client *client)
{
    nghttp2_session_del(client->session);
    established_free(client->established);
    free(client->received);
    free(client);
}

/* Bytes as they are, whatever HTTP/2 says about them. */
static void say(struct client *client, const void *data, size_t size)
{
    struct record *record = client->established->record;
    uint8_t bytes[RECORD_BUFFER_SIZE];
    struct error err = ERROR_INIT;
    int64_t began = loop_now();
    struct iovec wire;

    assert_true(size <= RECORD_SEAL_MAX);
    memcpy(bytes + RECORD_HEADROOM, data, size);
    if (record->engine->seal(record, bytes + RECORD_HEADROOM, size, &wire, &err) != 0) {
        fail_msg("%s", err.text);
    }
    while (wire.iov_len > 0 && !client->ended) {
        ssize_t n =
            send(client->established->fd, wire.iov_base, wire.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            client->ended = true;
        } else if (n < 0) {
            event_base_loop(loop_base(client->scene->loop), EVLOOP_NONBLOCK);
            assert_true(loop_now() - began < PATIENCE_MICROSECONDS);
        } else {
            wire.iov_base = (uint8_t *)wire.iov_base + n;
            wire.iov_len -= (size_t)n;
        }
    }
}

static void say_due(struct client *client)
{
    const uint8_t *data;
    ssize_t size;

    while (!client->ended && (size = nghttp2_session_mem_send(client->session, &data)) > 0) {
        for (ssize_t at = 0; at < size; at += RECORD_SEAL_MAX) {
            say(client, data + at,
                size - at < RECORD_SEAL_MAX ? (size_t)(size - at) : RECORD_SEAL_MAX);
        }
    }
}

static void hear(struct client *client)
{
    struct record *record = client->established->record;
    struct receive_buffer *buffer = client->received;
    struct error err = ERROR_INIT;
    enum record_result result = RECORD_OPENED;
    uint8_t *plain = NULL;
    size_t length = 0;
    size_t taken = 0;
    ssize_t n =
        record->engine->receive(record, client->established->fd, buffer->bytes + buffer->end,
                                RECEIVE_BUFFER_SIZE - buffer->end);

    if (n <= 0) {
        client->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    buffer->end += (size_t)n;
    while (buffer->begin < buffer->end && result == RECORD_OPENED) {
        result = record->engine->open(record, buffer->bytes + buffer->begin,
                                      buffer->end - buffer->begin, &taken, &plain, &length, &err);
        if (result == RECORD_OPENED) {
            buffer->begin += taken;
            if (nghttp2_session_mem_recv(client->session, plain, length) < 0) {
                fail_msg("the door breaks HTTP/2");
            }
        }
    }
    client->ended = result == RECORD_CLOSED || result == RECORD_FAILED;
    memmove(buffer->bytes, buffer->bytes + buffer->begin, buffer->end - buffer->begin);
    buffer->end -= buffer->begin;
    buffer->begin = 0;
}

/* Both sides go on for a moment. */
static void turn(struct client *client)
{
    event_base_loop(loop_base(client->scene->loop), EVLOOP_NONBLOCK);
    if (!client->ended) {
        say_due(client);
    }
    if (!client->ended && !client->deaf) {
        hear(client);
    }
    usleep(500);
}

static void turn_for(struct client *client, int64_t microseconds)
{
    int64_t began = loop_now();

    while (loop_now() - began < microseconds) {
        turn(client);
    }
}

#define TURN_UNTIL(client, condition)                          \
    do {                                                       \
        int64_t began_ = loop_now();                           \
        while (!(condition)) {                                 \
            turn(client);                                      \
            if (loop_now() - began_ > PATIENCE_MICROSECONDS) { \
                fail_msg("not within 20 s: %s", #condition);   \
            }                                                  \
        }                                                      \
    } while (0)

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct body *body = source->ptr;
    size_t left = body->size - body->said;

    (void)session;
    (void)id;
    (void)user;
    if (size > left) {
        size = left;
    }
    memset(out, 'b', size);
    body->said += size;
    if (body->said == body->size && !body->is_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (size == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)size;
}

#define FIELD(name, value)                                                                   \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), \
                  strlen(value), NGHTTP2_NV_FLAG_NONE})

static struct stream *ask(struct client *client, const char *method, const char *path,
                          struct body *body)
{
    nghttp2_nv fields[4] = {FIELD(":method", method), FIELD(":scheme", "https"),
                            FIELD(":authority", "here"), FIELD(":path", path)};
    nghttp2_data_provider provider = {.source = {.ptr = body}, .read_callback = on_read};
    int32_t id =
        nghttp2_submit_request(client->session, NULL, fields, 4, body ? &provider : NULL, NULL);

    assert_true(id > 0);
    return stream_of(client, id);
}

static void assert_answered(struct client *client, struct stream *stream, unsigned status)
{
    TURN_UNTIL(client, stream->closed || client->ended);
    if (stream->status != status || !stream->ended) {
        fail_msg("%u, not %u, ended %d, error %u", stream->status, status, stream->ended,
                 stream->error);
    }
}

static void assert_problem(struct client *client, struct stream *stream, unsigned status,
                           const char *code)
{
    char expected[64];

    assert_answered(client, stream, status);
    snprintf(expected, sizeof expected, "\"code\":\"%s\"", code);
    if (!strstr(stream->text, expected)) {
        fail_msg("no %s: %s", expected, stream->text);
    }
}

static void assert_works(struct client *client)
{
    struct stream *stream = ask(client, "GET", "/echo", NULL);

    assert_answered(client, stream, 200);
    assert_string_equal(stream->text, "GET /echo? ");
}

static unsigned count(atomic_uint *counter)
{
    return atomic_load(counter);
}

/* ---- requests ---- */

static void put_frame_header(uint8_t *out, size_t length, uint8_t type, uint8_t flags, uint32_t id)
{
    const uint8_t header[9] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,    type,       flags,
        (uint8_t)(id >> 24),     (uint8_t)(id >> 16),    (uint8_t)(id >> 8), (uint8_t)id};

    memcpy(out, header, 9);
}

static void shows_a_request_as_it_is(void **state)
{
    struct support_scene scene;
    struct body body = {.size = 3};
    struct client *client;
    struct stream *stream;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    stream = ask(client, "PATCH", "/echo%20?a=b%3f?c", &body);
    assert_answered(client, stream, 200);
    assert_string_equal(stream->text, "PATCH /echo%20?a=b%3f?c bbb");
    stream = ask(client, "HEAD", "/size?5", NULL);
    assert_answered(client, stream, 200);
    assert_int_equal(stream->size, 0);
    stream = ask(client, "HEAD", "/endless", NULL);
    assert_answered(client, stream, 200);
    assert_int_equal(stream->size, 0);
    TURN_UNTIL(client, count(&scene.service.open) == 0);
    assert_works(client);
    client_free(client);
    support_scene_free(&scene);
}

static void refuses_what_names_no_path(void **state)
{
    const nghttp2_nv connect[] = {FIELD(":method", "CONNECT"), FIELD(":authority", "a:1")};
    struct support_scene scene;
    struct client *client;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    assert_problem(
        client,
        stream_of(client, nghttp2_submit_request(client->session, NULL, connect, 2, NULL, NULL)),
        400, "malformed");
    assert_problem(client, ask(client, "OPTIONS", "*", NULL), 400, "malformed");
    assert_works(client);
    assert_int_equal(count(&scene.service.requests), 1);
    client_free(client);
    support_scene_free(&scene);
}

/* What follows the body is not taken for the head. */
static void takes_no_notice_of_trailers(void **state)
{
    static const char trailer[] = "\0\6x-test\4late";
    struct support_scene scene;
    struct body body = {.size = 3, .is_open = true};
    uint8_t frame[9 + sizeof trailer - 1];
    struct client *client;
    struct stream *stream;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    stream = ask(client, "POST", "/echo", &body);
    TURN_UNTIL(client, body.said == body.size);
    put_frame_header(frame, sizeof trailer - 1, NGHTTP2_HEADERS,
                     NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 1);
    memcpy(frame + 9, trailer, sizeof trailer - 1);
    say(client, frame, sizeof frame);
    TURN_UNTIL(client, stream->ended);
    assert_int_equal(stream->status, 200);
    assert_string_equal(stream->text, "POST /echo? bbb");
    assert_false(stream->has_test);
    client_free(client);
    support_scene_free(&scene);
}

/* A cookie in pieces is one again; another field of two values is not touched. */
static void joins_a_cookie_that_came_in_pieces(void **state)
{
    const nghttp2_nv fields[] = {FIELD(":method", "GET"),     FIELD(":scheme", "https"),
                                 FIELD(":authority", "here"), FIELD(":path", "/cookie"),
                                 FIELD("cookie", "a=b"),      FIELD("x-test", "1"),
                                 FIELD("cookie", "c=d")};
    struct support_scene scene;
    struct client *client;
    struct stream *stream;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    stream =
        stream_of(client, nghttp2_submit_request(client->session, NULL, fields, 7, NULL, NULL));
    assert_answered(client, stream, 200);
    assert_string_equal(stream->text, "a=b; c=d");
    client_free(client);
    support_scene_free(&scene);
}

/* ---- too much ---- */

static void refuses_bodies_that_are_too_large(void **state)
{
    struct support_scene scene;
    struct body good = {.size = HTTP_BODY_MAX};
    struct body bad = {.size = 10 << 20};
    struct client *client;
    struct stream *stream;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    stream = ask(client, "POST", "/nothing", &good);
    assert_answered(client, stream, 204);
    stream = ask(client, "POST", "/nothing", &bad);
    assert_problem(client, stream, 413, "body-too-large");
    /* and the rest is not wanted */
    assert_true(bad.said < bad.size);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
    assert_works(client);
    assert_int_equal(count(&scene.service.requests), 2);
    client_free(client);
    support_scene_free(&scene);
}

static void refuses_heads_that_are_too_large(void **state)
{
    struct support_scene scene;
    struct client *client;
    char *path = memory_zalloc(HTTP_HEADERS_MAX + 1);
    nghttp2_nv fields[204] = {FIELD(":method", "GET"), FIELD(":scheme", "https"),
                              FIELD(":authority", "here"), FIELD(":path", "/nothing")};

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    memset(path, 'a', HTTP_HEADERS_MAX);
    path[0] = '/';
    assert_problem(client, ask(client, "GET", path, NULL), 431, "headers-too-large");
    for (unsigned i = 4; i < 204; i++) {
        fields[i] = FIELD("a", "b");
    }
    assert_problem(
        client,
        stream_of(client, nghttp2_submit_request(client->session, NULL, fields, 204, NULL, NULL)),
        431, "headers-too-large");
    assert_works(client);
    assert_int_equal(count(&scene.service.requests), 1);
    free(path);
    client_free(client);
    support_scene_free(&scene);
}

/* A body of almost a mebibyte on each stream there may be, of which none is finished. */
struct crowd {
    struct client *client;
    struct body bodies[HTTP2_STREAMS_MAX];
    struct stream *streams[HTTP2_STREAMS_MAX];
};

static struct crowd *crowd_new(struct client *client)
{
    struct crowd *crowd = memory_zalloc(sizeof *crowd);

    crowd->client = client;
    for (unsigned i = 0; i < HTTP2_STREAMS_MAX; i++) {
        crowd->bodies[i] = (struct body){.size = HTTP_BODY_MAX - 1000, .is_open = true};
        crowd->streams[i] = ask(client, "POST", "/nothing", &crowd->bodies[i]);
    }
    return crowd;
}

/* Each is said, as far as it is wanted. */
static bool crowd_is_said(const struct crowd *crowd)
{
    for (unsigned i = 0; i < HTTP2_STREAMS_MAX; i++) {
        if (crowd->bodies[i].said < crowd->bodies[i].size && !crowd->streams[i]->closed) {
            return false;
        }
    }
    return true;
}

static unsigned crowd_count(const struct crowd *crowd, unsigned status)
{
    unsigned answered = 0;

    for (unsigned i = 0; i < HTTP2_STREAMS_MAX; i++) {
        answered += crowd->streams[i]->status == status;
    }
    return answered;
}

static void crowd_free(struct crowd *crowd)
{
    client_free(crowd->client);
    free(crowd);
}

/* Bodies that are never finished, from two strangers, fill so much memory and no more. Sidecars are
 * served meanwhile, and others when the two have gone. */
static void bounds_what_all_bodies_take(void **state)
{
    struct support_scene scene;
    struct client *sidecar;
    struct client *stranger;
    struct crowd *crowds[2];
    struct body body = {.size = HTTP_BODY_MAX - 1000};
    struct body again = body;
    size_t before;

    (void)state;
    support_scene_make(&scene);
    sidecar = client_new(&scene, scene.web);
    assert_works(sidecar);
    before = support_memory_in_use();
    for (unsigned i = 0; i < 2; i++) {
        crowds[i] = crowd_new(client_new(&scene, scene.nobody));
        TURN_UNTIL(crowds[i]->client, crowd_is_said(crowds[i]));
        assert_true(crowd_count(crowds[i], 503) > 0);
    }
    assert_true(support_memory_in_use() < before + HTTP_BODIES_MAX + (32 << 20));
    assert_answered(sidecar, ask(sidecar, "POST", "/nothing", &body), 204);
    crowd_free(crowds[0]);
    crowd_free(crowds[1]);
    stranger = client_new(&scene, scene.nobody);
    assert_answered(stranger, ask(stranger, "POST", "/nothing", &again), 204);
    client_free(stranger);
    client_free(sidecar);
    support_scene_free(&scene);
}

/* A client that takes no answers does not keep the door's memory for bodies: what is answered is
 * forgotten. */
static void forgets_bodies_that_are_answered(void **state)
{
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    struct support_scene scene;
    struct client *client;
    struct client *other;
    struct body bodies[HTTP2_STREAMS_MAX];
    struct stream *stream;
    size_t before;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    other = client_new(&scene, scene.nobody);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &shut, 1);
    assert_works(other);
    before = support_memory_in_use();
    for (unsigned i = 0; i < HTTP2_STREAMS_MAX; i++) {
        bodies[i] = (struct body){.size = HTTP_BODY_MAX - 1000};
        stream = ask(client, "POST", "/size?10", &bodies[i]);
        TURN_UNTIL(client, stream->status != 0);
        assert_int_equal(stream->status, 200);
        assert_false(stream->closed);
    }
    assert_true(support_memory_in_use() < before + (8 << 20));
    assert_works(other);
    client_free(client);
    client_free(other);
    support_scene_free(&scene);
}

/* Those beyond are refused, or kept back by a client that has heard of the limit. */
static void bounds_the_streams_of_a_connection(void **state)
{
    struct support_scene scene;
    struct client *client;
    struct stream *streams[HTTP2_STREAMS_MAX + 10];

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    for (unsigned i = 0; i < HTTP2_STREAMS_MAX + 10; i++) {
        streams[i] = ask(client, "GET", "/hold", NULL);
    }
    TURN_UNTIL(client, count(&scene.service.open) == HTTP2_STREAMS_MAX);
    turn_for(client, 100000);
    assert_int_equal(count(&scene.service.requests), HTTP2_STREAMS_MAX);
    for (unsigned i = 0; i < HTTP2_STREAMS_MAX + 10; i++) {
        while (!streams[i]->closed) {
            support_release(&scene.service);
            TURN_UNTIL(client, streams[i]->closed || count(&scene.service.open) > 0);
        }
        assert_true(streams[i]->error == NGHTTP2_REFUSED_STREAM ||
                    (streams[i]->status == 200 && streams[i]->ended));
    }
    assert_false(client->ended);
    client_free(client);
    support_scene_free(&scene);
}

/* ---- too slow ---- */

/* One drips a body, one a header block; the third asks for a large answer and never makes room for
 * it; a fourth does not even read. All are cut, and others are served meanwhile. */
static void cuts_those_who_keep_it_waiting(void **state)
{
    enum { DRIPS_BODY, DRIPS_HEAD, KEEPS_WINDOWS, DEAF, WELL, CLIENTS };
    struct support_scene scene;
    struct client *clients[CLIENTS];
    struct body body = {.is_open = true};
    struct stream *dripped;
    struct stream *large;
    int64_t began;

    (void)state;
    support_scene_make(&scene);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_new(&scene, scene.nobody);
        assert_works(clients[i]);
    }
    began = loop_now();
    dripped = ask(clients[DRIPS_BODY], "POST", "/echo", &body);
    {
        uint8_t frame[9 + 1];
        put_frame_header(frame, 1, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 3);
        frame[9] = 0x82; /* :method: GET */
        say(clients[DRIPS_HEAD], frame, sizeof frame);
    }
    clients[KEEPS_WINDOWS]->keeps_windows = true;
    large = ask(clients[KEEPS_WINDOWS], "GET", "/size?30000000", NULL);
    nghttp2_session_set_local_window_size(clients[DEAF]->session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    {
        const nghttp2_settings_entry open = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
        nghttp2_submit_settings(clients[DEAF]->session, NGHTTP2_FLAG_NONE, &open, 1);
        turn_for(clients[DEAF], 50000);
    }
    ask(clients[DEAF], "GET", "/size?30000000", NULL);
    clients[DEAF]->deaf = true;
    while (loop_now() - began < (HTTP_STALL_SECONDS + 2) * INT64_C(1000000)) {
        if (!dripped->closed) {
            body.size++;
            nghttp2_session_resume_data(clients[DRIPS_BODY]->session, 3);
        } else if (loop_now() - began < HTTP_REQUEST_SECONDS * INT64_C(1000000) - 100000) {
            fail_msg("cut too soon");
        }
        for (unsigned i = 0; i < CLIENTS; i++) {
            turn_for(clients[i], 20000);
        }
    }
    assert_problem(clients[DRIPS_BODY], dripped, 408, "timeout");
    assert_works(clients[DRIPS_BODY]);
    TURN_UNTIL(clients[DRIPS_HEAD], clients[DRIPS_HEAD]->ended);
    assert_true(clients[DRIPS_HEAD]->has_goaway);
    assert_true(large->closed && !large->ended);
    assert_works(clients[WELL]);
    clients[DEAF]->deaf = false;
    TURN_UNTIL(clients[DEAF], clients[DEAF]->ended || clients[DEAF]->streams[1].closed);
    assert_false(clients[DEAF]->streams[1].ended);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_free(clients[i]);
    }
    assert_int_equal(count(&scene.service.requests), CLIENTS + 4);
    support_scene_free(&scene);
}

/* An answer that goes on, to a reader who does not make room for it, or does not read. */
static void cuts_a_reader_who_leaves_too_much_lying(void **state)
{
    struct support_scene scene;
    struct client *client;
    struct client *other;

    (void)state;
    support_scene_make(&scene);
    other = client_new(&scene, scene.nobody);
    for (unsigned deaf = 0; deaf < 2; deaf++) {
        size_t before = support_memory_in_use();
        client = client_new(&scene, scene.nobody);
        client->keeps_windows = true;
        if (deaf) {
            const nghttp2_settings_entry open = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
            nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &open, 1);
            nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
            assert_works(client);
        }
        ask(client, "GET", "/flood", NULL);
        turn(client);
        client->deaf = deaf;
        TURN_UNTIL(client, count(&scene.service.cut) == deaf + 1);
        TURN_UNTIL(client, count(&scene.service.closed) == deaf + 1);
        assert_works(other);
        client_free(client);
        turn_for(other, 20000);
        assert_true(support_memory_in_use() < before + (2 << 20));
    }
    client_free(other);
    support_scene_free(&scene);
}

/* Nor does he hear on when he reads after all: something is missing behind what was kept. */
static void cuts_a_reader_who_comes_too_late(void **state)
{
    struct support_scene scene;
    struct client *client;
    struct stream *stream;

    (void)state;
    support_scene_make(&scene);
    client = client_new(&scene, scene.nobody);
    stream = ask(client, "GET", "/overflow", NULL);
    TURN_UNTIL(client, count(&scene.service.closed) == 1);
    TURN_UNTIL(client, stream->closed);
    assert_int_equal(count(&scene.service.cut), 1);
    assert_int_not_equal(stream->error, NGHTTP2_NO_ERROR);
    assert_true(stream->size < HTTP_BACKLOG_MAX);
    assert_works(client);
    client_free(client);
    support_scene_free(&scene);
}

/* Answers that nobody takes fill so much memory and no more: who leaves most of them is cut, if he
 * is a stranger. */
static void bounds_what_strangers_leave_lying(void **state)
{
    struct support_scene scene;
    struct client *clients[3];
    size_t before;

    (void)state;
    support_scene_make(&scene);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = client_new(&scene, i == 0 ? scene.web : scene.nobody);
        clients[i]->keeps_windows = true;
        assert_works(clients[i]);
    }
    before = support_memory_in_use();
    for (unsigned i = 0; i < 40; i++) { /* the sidecar */
        ask(clients[0], "GET", "/size?2000000", NULL);
    }
    ask(clients[1], "GET", "/size?2000000", NULL);
    TURN_UNTIL(clients[1], count(&scene.service.requests) == 4);
    TURN_UNTIL(clients[0], count(&scene.service.requests) == 44);
    for (unsigned i = 0; i < 40; i++) {
        ask(clients[2], "GET", "/size?2000000", NULL);
    }
    TURN_UNTIL(clients[2], clients[2]->ended);
    for (unsigned i = 0; i < 2; i++) {
        turn(clients[i]);
        assert_false(clients[i]->ended);
        assert_false(clients[i]->streams[1].closed);
    }
    assert_true(support_memory_in_use() < before + 41 * 2000000 + (8 << 20));
    for (unsigned i = 0; i < 3; i++) {
        client_free(clients[i]);
    }
    support_scene_free(&scene);
}

/* ---- what is no HTTP/2 ---- */

static void breaks_ends_one_connection(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nand so on and on and on";
    struct support_scene scene;
    struct client *client;
    struct client *other;
    uint8_t frame[9 + 8] = {0};

    (void)state;
    support_scene_make(&scene);
    other = client_new(&scene, scene.nobody);
    assert_works(other);
    client = client_new(&scene, scene.nobody);
    say(client, text, sizeof text - 1);
    TURN_UNTIL(client, client->ended);
    client_free(client);
    for (uint8_t type = 0; type < 10; type++) {
        client = client_new(&scene, scene.nobody);
        ask(client, "GET", "/hold", NULL);
        TURN_UNTIL(client, count(&scene.service.open) == 1);
        /* too short, or on the wrong stream, or out of turn: wrong for each but an unknown one */
        put_frame_header(frame, 1, type, NGHTTP2_FLAG_PADDED,
                         type == NGHTTP2_SETTINGS || type == NGHTTP2_PING ? 1 : 0);
        frame[9] = 200;
        say(client, frame, 10);
        TURN_UNTIL(client, client->ended);
        TURN_UNTIL(other, count(&scene.service.open) == 0);
        client_free(client);
        assert_works(other);
    }
    client_free(other);
    support_scene_free(&scene);
}

/* Pings, settings and resets without end, from one who does not read what that makes the door say.
 */
static void a_flood_of_frames_is_bounded(void **state)
{
    struct support_scene scene;
    struct client *other;

    (void)state;
    support_scene_make(&scene);
    other = client_new(&scene, scene.nobody);
    for (unsigned kind = 0; kind < 2; kind++) {
        struct client *client = client_new(&scene, scene.nobody);
        size_t before;
        uint8_t frames[17 * 900];

        assert_works(client);
        client->deaf = true;
        before = support_memory_in_use();
        for (unsigned i = 0; i < 900; i++) {
            put_frame_header(frames + (kind ? 9 : 17) * i, kind ? 0 : 8,
                             kind ? NGHTTP2_SETTINGS : NGHTTP2_PING, 0, 0);
            if (!kind) {
                memset(frames + 17 * i + 9, 0, 8);
            }
        }
        for (unsigned i = 0; i < 400 && !client->ended; i++) {
            int pending = 0;
            socklen_t size = sizeof pending;
            getsockopt(client->established->fd, SOL_SOCKET, SO_ERROR, &pending, &size);
            if (pending != 0) {
                break;
            }
            /* what does not fit is not waited for: the door may have stopped reading for good */
            if (send(client->established->fd, NULL, 0, MSG_DONTWAIT) < 0) {
                break;
            }
            say(client, frames, (kind ? 9 : 17) * 900);
            event_base_loop(loop_base(scene.loop), EVLOOP_NONBLOCK);
        }
        assert_true(support_memory_in_use() < before + (4 << 20));
        assert_works(other);
        client_free(client);
    }
    client_free(other);
    support_scene_free(&scene);
}

/* Requests that are reset as soon as they are made: RST_STREAM does not make them free. */
static void a_flood_of_resets_is_bounded(void **state)
{
    struct support_scene scene;
    struct client *client;
    struct client *other;
    int32_t id = 1;

    (void)state;
    support_scene_make(&scene);
    other = client_new(&scene, scene.nobody);
    client = client_new(&scene, scene.nobody);
    assert_works(client);
    while (!client->ended && id < 20000) {
        /* :method: GET, :scheme: https, :path: / */
        static const uint8_t head[] = {0x82, 0x87, 0x84};
        uint8_t frames[9 + sizeof head + 9 + 4] = {0};
        id += 2;
        put_frame_header(frames, sizeof head, NGHTTP2_HEADERS,
                         NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, (uint32_t)id);
        memcpy(frames + 9, head, sizeof head);
        put_frame_header(frames + 9 + sizeof head, 4, NGHTTP2_RST_STREAM, 0, (uint32_t)id);
        frames[sizeof frames - 1] = NGHTTP2_CANCEL;
        say(client, frames, sizeof frames);
        event_base_loop(loop_base(scene.loop), EVLOOP_NONBLOCK);
    }
    assert_true(client->ended);
    assert_true(id < 20000);
    assert_works(other);
    client_free(client);
    client_free(other);
    support_scene_free(&scene);
}

/* ---- the end ---- */

/* A handler that hears of one request's end may write to others of the same connection, even when
 * they all end together. */
static void the_end_of_a_request_may_be_told_to_others(void **state)
{
    struct support_scene scene;
    struct client *clients[3];
    struct stream *streams[3];

    (void)state;
    support_scene_make(&scene);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = client_new(&scene, scene.nobody);
        streams[0] = ask(clients[i], "GET", "/gossip", NULL);
        streams[1] = ask(clients[i], "GET", "/gossip", NULL);
        streams[2] = ask(clients[i], "GET", "/gossip", NULL);
        TURN_UNTIL(clients[i], count(&scene.service.open) == 3 * (i + 1));
    }
    nghttp2_submit_rst_stream(clients[2]->session, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL);
    TURN_UNTIL(clients[2], streams[1]->size > 0 && streams[2]->size > 0);
    assert_memory_equal(streams[1]->text, "gone\n", 5);
    client_free(clients[0]);
    TURN_UNTIL(clients[1], count(&scene.service.open) == 5);
    support_scene_close(&scene);
    assert_int_equal(count(&scene.service.closed), 9);
    client_free(clients[1]);
    client_free(clients[2]);
    support_scene_free(&scene);
}

/* ---- many ---- */

enum { FIRST_IDLE = HTTP_CONNECTIONS_MAX - 2, SECOND_IDLE = HTTP_CONNECTIONS_MAX - 1 };

/* Fills the door with those who wait for an answer, but for two who are idle. */
static void fill(struct support_scene *scene, struct client **clients)
{
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        clients[i] = client_new(scene, scene->nobody);
        ask(clients[i], "GET", i < FIRST_IDLE ? "/hold" : "/echo", NULL);
        say_due(clients[i]);
    }
    TURN_UNTIL(clients[FIRST_IDLE], clients[FIRST_IDLE]->streams[0].closed);
    TURN_UNTIL(clients[SECOND_IDLE], clients[SECOND_IDLE]->streams[0].closed);
    TURN_UNTIL(clients[0], count(&scene->service.open) == FIRST_IDLE);
}

/* A stranger who is let in and then waits for an answer, too. */
static struct client *one_more(struct support_scene *scene)
{
    unsigned open = count(&scene->service.open);
    struct client *client = client_new(scene, scene->nobody);

    assert_works(client);
    ask(client, "GET", "/hold", NULL);
    TURN_UNTIL(client, count(&scene->service.open) == open + 1);
    return client;
}

/* Strangers fill the door. One who is idle gives way to the next, and then one whose request does
 * not come; when all are being answered a stranger is turned away, but one with a certificate takes
 * a stranger's place. */
static void strangers_do_not_keep_others_out(void **state)
{
    const struct rlimit many = {8192, 8192};
    struct support_scene scene;
    struct client **clients = calloc(HTTP_CONNECTIONS_MAX + 2, sizeof(struct client *));
    struct client *last;
    struct body body = {.size = 3, .is_open = true};

    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &many) != 0) {
        skip();
    }
    support_scene_make(&scene);
    fill(&scene, clients);
    ask(clients[SECOND_IDLE], "POST", "/hold", &body);
    assert_works(clients[SECOND_IDLE]); /* so the other has been heard as far as it goes */
    clients[HTTP_CONNECTIONS_MAX] = one_more(&scene);
    TURN_UNTIL(clients[FIRST_IDLE], clients[FIRST_IDLE]->ended);
    assert_false(clients[SECOND_IDLE]->ended);
    clients[HTTP_CONNECTIONS_MAX + 1] = one_more(&scene);
    TURN_UNTIL(clients[SECOND_IDLE], clients[SECOND_IDLE]->ended);
    assert_int_equal(count(&scene.service.closed), 0);
    last = client_new(&scene, scene.nobody);
    TURN_UNTIL(last, last->ended);
    client_free(last);
    assert_int_equal(count(&scene.service.closed), 0);
    last = client_new(&scene, scene.web);
    assert_works(last);
    assert_int_equal(count(&scene.service.closed), 1);
    client_free(last);
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX + 2; i++) {
        client_free(clients[i]);
    }
    free(clients);
    support_scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest http2_door[] = {
        cmocka_unit_test(shows_a_request_as_it_is),
        cmocka_unit_test(refuses_what_names_no_path),
        cmocka_unit_test(takes_no_notice_of_trailers),
        cmocka_unit_test(joins_a_cookie_that_came_in_pieces),
        cmocka_unit_test(refuses_bodies_that_are_too_large),
        cmocka_unit_test(refuses_heads_that_are_too_large),
        cmocka_unit_test(bounds_what_all_bodies_take),
        cmocka_unit_test(forgets_bodies_that_are_answered),
        cmocka_unit_test(bounds_the_streams_of_a_connection),
        cmocka_unit_test(cuts_a_reader_who_leaves_too_much_lying),
        cmocka_unit_test(cuts_a_reader_who_comes_too_late),
        cmocka_unit_test(bounds_what_strangers_leave_lying),
        cmocka_unit_test(breaks_ends_one_connection),
        cmocka_unit_test(a_flood_of_frames_is_bounded),
        cmocka_unit_test(a_flood_of_resets_is_bounded),
        cmocka_unit_test(the_end_of_a_request_may_be_told_to_others),
        cmocka_unit_test(strangers_do_not_keep_others_out),
        cmocka_unit_test(cuts_those_who_keep_it_waiting),
    };

    return cmocka_run_group_tests(http2_door, support_enter_folder, support_leave_folder);
}
