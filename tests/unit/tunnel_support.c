#include "tunnel_support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/memory.h"
#include "support.h"
#include "tls_support.h"

void support_established(struct established *ends[2], const struct record_engine *engine)
{
    struct tls_context *client = support_context("ca", "web");
    struct tls_context *server = support_context("ca", "db");
    struct tls_session sessions[2];
    struct error err = ERROR_INIT;
    int fds[2];

    support_sessions(client, server, sessions, fds);
    for (int i = 0; i < 2; i++) {
        struct established *end = memory_zalloc(sizeof(*end));

        end->fd = fds[i];
        end->is_client = i == 0;
        end->peer = sessions[i].peer;
        memcpy(end->version, sessions[i].version, sizeof(end->version));
        memcpy(end->cipher, sessions[i].cipher, sizeof(end->cipher));
        socket_peer_format(fds[i], end->address, sizeof(end->address));
        end->record = record_new(engine, &sessions[i], fds[i], &err);
        if (!end->record)
            fail_msg("%s", err.text);
        ends[i] = end;
    }
    tls_context_unref(client);
    tls_context_unref(server);
}

struct handshaker *support_handshaker(unsigned threads, const char *instance)
{
    struct identity *identity = support_identity("ca", instance);
    struct error err = ERROR_INIT;
    struct handshaker *handshaker = handshaker_new(threads, NULL, &err);

    if (!handshaker || handshaker_set_identity(handshaker, identity, &err) != 0)
        fail_msg("%s", err.text);
    identity_free(identity);
    return handshaker;
}

void support_handshaker_listen(struct handshaker *handshaker, struct address *out,
                               void (*accepted)(void *argument, struct established *established),
                               void *argument)
{
    int fd = support_listen(out);

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(handshaker_listen(handshaker, fd, TLS_ANY_INSTANCE, accepted, argument, NULL),
                     0);
}

/* ---- endpoints ---- */

static uint8_t pattern_at(uint64_t place)
{
    return (uint8_t)(place * 7 + (place >> 8) * 13 + (place >> 16) * 31);
}

static ssize_t say(void *argument, const struct iovec *parts, unsigned count, size_t size)
{
    struct endpoint *endpoint = argument;
    uint64_t left = endpoint->to_say - endpoint->said;

    endpoint->calls += endpoint->closed;
    if (left == 0) {
        switch (endpoint->then) {
        case THEN_END:
            assert_false(endpoint->ended);
            endpoint->ended = true;
            return STREAM_PULL_END;
        case THEN_RESET:
            return STREAM_PULL_RESET;
        case THEN_WAIT:
            return STREAM_PULL_LATER;
        }
    }
    if (size > left)
        size = (size_t)left;
    assert_in_range(count, 1, STREAM_PARTS_MAX);
    for (size_t i = 0, place = 0; i < size; i++, place++) {
        if (place == parts->iov_len) {
            parts++;
            place = 0;
        }
        ((uint8_t *)parts->iov_base)[place] = pattern_at(endpoint->said + i);
    }
    endpoint->said += size;
    return (ssize_t)size;
}

/* Takes a part, or what it may of it. */
static size_t hear_part(struct endpoint *endpoint, const uint8_t *data, size_t size)
{
    if (size > endpoint->takes)
        size = (size_t)endpoint->takes;
    if (endpoint->takes != FOREVER)
        endpoint->takes -= size;
    for (size_t i = 0; i < size; i++)
        endpoint->wrong = endpoint->wrong || data[i] != pattern_at(endpoint->heard + i);
    endpoint->heard += size;
    return size;
}

static size_t hear(void *argument, const struct iovec *parts, unsigned count, size_t size)
{
    struct endpoint *endpoint = argument;
    size_t taken = 0;
    size_t whole = 0;

    endpoint->calls += endpoint->closed;
    assert_false(endpoint->finished);
    assert_in_range(count, 1, STREAM_PARTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (taken == whole)
            taken += hear_part(endpoint, parts[i].iov_base, parts[i].iov_len);
        whole += parts[i].iov_len;
    }
    assert_int_equal(whole, size);
    return taken;
}

static void finish(void *argument)
{
    struct endpoint *endpoint = argument;

    endpoint->calls += endpoint->closed + endpoint->finished;
    endpoint->finished = true;
}

static void answer(void *argument, unsigned status, const char *reason)
{
    struct endpoint *endpoint = argument;

    endpoint->calls += endpoint->closed + endpoint->answered;
    endpoint->answered = true;
    endpoint->status = status;
    snprintf(endpoint->reason, sizeof(endpoint->reason), "%s", reason);
}

static void closed(void *argument, enum stream_end end)
{
    struct endpoint *endpoint = argument;

    endpoint->calls += endpoint->closed;
    endpoint->closed = true;
    endpoint->end = end;
    endpoint->stream = NULL;
}

const struct stream_handlers endpoint_handlers = {say, hear, finish, answer, closed};

void endpoint_say(struct endpoint *endpoint, uint64_t size, enum endpoint_then then)
{
    endpoint->to_say += size;
    endpoint->then = then;
    if (endpoint->stream)
        stream_pull_ready(endpoint->stream);
}

void endpoint_take(struct endpoint *endpoint, uint64_t size)
{
    endpoint->takes = size == FOREVER ? FOREVER : endpoint->takes + size;
    if (endpoint->stream)
        stream_push_ready(endpoint->stream);
}

bool endpoint_is_closed(void *argument)
{
    const struct endpoint *endpoint = argument;

    return endpoint->closed;
}

/* ---- the world ---- */

static struct world_side *side_of(struct world *world, const struct tunnel *tunnel)
{
    return &world->sides[tunnel != world->sides[0].tunnel];
}

static void on_ready(void *owner, struct tunnel *tunnel)
{
    struct world_side *side = side_of(owner, tunnel);

    assert_false(side->ready);
    side->ready = true;
}

static struct endpoint *free_endpoint(struct world *world)
{
    for (unsigned i = 0; i < WORLD_STREAMS; i++) {
        struct endpoint *endpoint = &world->served[i];

        if (!endpoint->stream) {
            *endpoint = world->pattern;
            return endpoint;
        }
    }
    fail_msg("the world has no room for another stream");
    return NULL;
}

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    struct world *world = owner;
    struct endpoint *endpoint;

    assert_ptr_equal(tunnel, world->sides[1].tunnel);
    assert_ptr_equal(stream_tunnel(stream), tunnel);
    world->requests++;
    world->understood = request != NULL;
    if (request)
        world->request = *request;
    if (world->welcome == WELCOME_IGNORE)
        return;
    if (world->welcome != WELCOME_REFUSE || !world->refuse_reason ||
        strcmp(world->refuse_reason, "unbound") != 0) {
        endpoint = free_endpoint(world);
        endpoint->stream = stream;
        stream_bind(stream, &endpoint_handlers, endpoint);
    }
    if (world->welcome == WELCOME_ACCEPT)
        stream_accept(stream);
    else if (world->welcome == WELCOME_REFUSE)
        stream_reply(stream, world->refuse_status, world->refuse_reason);
}

static void on_draining(void *owner, struct tunnel *tunnel)
{
    side_of(owner, tunnel)->draining = true;
}

static void on_closed(void *owner, struct tunnel *tunnel, const char *reason)
{
    struct world_side *side = side_of(owner, tunnel);

    side->closed++;
    side->refused = tunnel_refused(tunnel);
    snprintf(side->reason, sizeof(side->reason), "%s", reason);
    side->tunnel = NULL;
}

static const struct tunnel_handlers handlers = {on_ready, on_request, on_draining, on_closed};

static bool both_ready(void *argument)
{
    const struct world *world = argument;

    return world->sides[0].ready && world->sides[1].ready;
}

void world_make(struct world *world, const struct record_engine *engine)
{
    struct established *ends[2];

    memset(world, 0, sizeof(*world));
    world->pattern.takes = FOREVER;
    world->base = support_base();
    support_established(ends, engine);
    for (int i = 0; i < 2; i++) {
        world->buffers[i] = buffers_new();
        world->sides[i].tunnel =
            tunnel_new(world->base, ends[i], i + 1, world->buffers[i], &handlers, world, NULL);
        assert_non_null(world->sides[i].tunnel);
    }
    world_turn_until(world, both_ready, world);
    world_turn_quiet(world);
}

void world_free(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        tunnel_free(world->sides[i].tunnel);
        buffers_free(world->buffers[i]);
    }
    event_base_free(world->base);
    for (unsigned i = 0; i < WORLD_STREAMS; i++) {
        assert_int_equal(world->served[i].calls, 0);
        assert_false(world->served[i].wrong);
    }
}

struct stream_request world_request(void)
{
    struct stream_request request = {.inbound = "sql",
                                     .instance = "db",
                                     .trust_domain = SUPPORT_DOMAIN,
                                     .port = 3306,
                                     .outbound = "plug"};

    return request;
}

void world_connect(struct world *world, struct endpoint *endpoint)
{
    struct stream_request request = world_request();

    endpoint->stream =
        tunnel_connect(world->sides[0].tunnel, &request, &endpoint_handlers, endpoint);
    assert_non_null(endpoint->stream);
}

void world_turn_until(struct world *world, bool (*done)(void *argument), void *argument)
{
    support_turn_until(world->base, done, argument);
}

void world_turn_quiet(struct world *world)
{
    support_turn_quiet(world->base);
}

static bool both_closed(void *argument)
{
    struct endpoint *const *endpoints = argument;

    return endpoints[0]->closed && endpoints[1]->closed;
}

void world_turn_until_closed(struct world *world, struct endpoint *a, struct endpoint *b)
{
    struct endpoint *endpoints[2] = {a, b};

    world_turn_until(world, both_closed, endpoints);
}
