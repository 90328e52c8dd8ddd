#include "fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/memory.h"
#include "support.h"
#include "tls_support.h"

#define TUNNELS (sizeof(((struct fleet_ship *)0)->tunnels) / sizeof(struct tunnel *))

static void on_ready(void *owner, struct tunnel *tunnel)
{
    (void)owner;
    (void)tunnel;
}

static void serve(struct fleet_ship *ship, struct stream *stream)
{
    struct endpoint *endpoint = memory_zalloc(sizeof *endpoint);

    assert_true(ship->streams < FLEET_STREAMS);
    ship->served[ship->streams++] = endpoint;
    endpoint->takes = FOREVER;
    endpoint->stream = stream;
    stream_bind(stream, &endpoint_handlers, endpoint);
    if (!ship->silent) {
        stream_accept(stream);
    }
}

static void on_request(void *owner, struct tunnel *tunnel, struct stream *stream,
                       const struct stream_request *request)
{
    struct fleet_ship *ship = owner;

    (void)tunnel;
    assert_non_null(request);
    assert_string_equal(request->inbound, "sql");
    assert_int_equal(request->port, 3306);
    ship->probes += request->probe;
    if (ship->refusal) {
        stream_reply(stream, 503, ship->refusal);
    } else if (request->probe) {
        stream_reply(stream, 204, NULL);
    } else {
        serve(ship, stream);
    }
}

static void on_closed(void *owner, struct tunnel *tunnel, const char *reason)
{
    struct fleet_ship *ship = owner;

    (void)reason;
    for (unsigned i = 0; i < TUNNELS; i++) {
        if (ship->tunnels[i] == tunnel) {
            ship->tunnels[i] = NULL;
        }
    }
}

static const struct tunnel_handlers handlers = {on_ready, on_request, on_ready, on_closed};

struct arrival {
    struct fleet_ship *ship;
    struct established *established;
};

static void arrive(void *argument)
{
    struct arrival *arrival = argument;
    struct fleet_ship *ship = arrival->ship;
    struct fleet *fleet = ship->fleet;

    if (!ship->handshaker) {
        established_free(arrival->established); /* sunk meanwhile */
    } else {
        unsigned i = 0;
        while (i < TUNNELS && ship->tunnels[i]) {
            i++;
        }
        assert_true(i < TUNNELS);
        ship->tunnels[i] = tunnel_new(loop_base(fleet->loop), arrival->established, ++fleet->ids,
                                      fleet->buffers, &handlers, ship, NULL);
        ship->accepted++;
    }
    free(arrival);
}

static void on_accepted(void *argument, struct established *established)
{
    struct arrival *arrival = memory_zalloc(sizeof *arrival);

    arrival->ship = argument;
    arrival->established = established;
    loop_post(arrival->ship->fleet->loop, arrive, arrival);
}

static int64_t next_id(void *argument)
{
    struct fleet *fleet = argument;

    return ++fleet->ids;
}

void fleet_order(struct fleet *fleet, const char *ships)
{
    fleet->outbound.address_count = (unsigned)strlen(ships);
    for (unsigned i = 0; ships[i] != '\0'; i++) {
        fleet->addresses[i] = fleet->ships[ships[i] - '0'].address;
    }
}

void fleet_make(struct fleet *fleet, unsigned count)
{
    memset(fleet, 0, sizeof *fleet);
    fleet->loop = loop_new("test", NULL);
    assert_non_null(fleet->loop);
    fleet->source = support_handshaker(1, "web");
    fleet->buffers = buffers_new();
    fleet->pool = pool_new(fleet->loop, fleet->source, fleet->buffers, next_id, fleet);
    for (unsigned i = 0; i < FLEET_MAX; i++) {
        fleet->ships[i].fleet = fleet;
        support_free_address(&fleet->ships[i].address);
        if (i < count) {
            fleet_raise(&fleet->ships[i]);
        }
    }
    fleet->outbound = (struct snapshot_outbound){
        .name = "plug", .connected = true, .instance = "db", .inbound = "sql", .port = 3306};
    fleet->outbound.listen = (struct address){.host = "127.0.0.1", .port = 3306};
    fleet->snapshot = (struct snapshot){.instance = "web",
                                        .trust_domain = SUPPORT_DOMAIN,
                                        .outbounds = &fleet->outbound,
                                        .outbound_count = 1,
                                        .addresses = fleet->addresses,
                                        .address_count = FLEET_MAX};
    for (unsigned i = 0; i < count; i++) {
        fleet->addresses[i] = fleet->ships[i].address;
    }
    fleet->outbound.address_count = count;
}

void fleet_raise(struct fleet_ship *ship)
{
    struct error err = ERROR_INIT;
    int fd;

    ship->handshaker = support_handshaker(1, "db");
    if (acceptor_open(&ship->address, &fd, 1, &err) != 0 ||
        handshaker_listen(ship->handshaker, fd, TLS_ANY_INSTANCE, on_accepted, ship, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

void fleet_sink(struct fleet_ship *ship)
{
    handshaker_free(ship->handshaker);
    ship->handshaker = NULL;
    for (unsigned i = 0; i < TUNNELS; i++) {
        tunnel_free(ship->tunnels[i]);
        ship->tunnels[i] = NULL;
    }
}

void fleet_free(struct fleet *fleet)
{
    handshaker_free(fleet->source);
    for (unsigned i = 0; i < FLEET_MAX; i++) {
        handshaker_free(fleet->ships[i].handshaker);
        fleet->ships[i].handshaker = NULL;
    }
    loop_drain(fleet->loop);
    pool_free(fleet->pool);
    for (unsigned i = 0; i < FLEET_MAX; i++) {
        struct fleet_ship *ship = &fleet->ships[i];
        fleet_sink(ship);
        for (unsigned k = 0; k < ship->streams; k++) {
            assert_false(ship->served[k]->wrong);
            free(ship->served[k]);
        }
    }
    loop_free(fleet->loop);
    buffers_free(fleet->buffers);
}

unsigned fleet_open(const struct fleet_ship *ship)
{
    unsigned open = 0;

    for (unsigned i = 0; i < ship->streams; i++) {
        open += ship->served[i]->stream != NULL;
    }
    return open;
}

void fleet_turn_until(struct fleet *fleet, bool (*done)(void *argument), void *argument)
{
    support_turn_until(loop_base(fleet->loop), done, argument);
}

void fleet_turn_for(struct fleet *fleet, int milliseconds)
{
    int64_t end = loop_now() + (int64_t)milliseconds * 1000;

    while (loop_now() < end) {
        event_base_loop(loop_base(fleet->loop), EVLOOP_NONBLOCK);
        usleep(500);
    }
}
