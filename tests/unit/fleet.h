/* A source's pool and several replicas of its target, which the test plays, on one loop. To be used
 * in a folder of the test's own. */
#ifndef TESTS_UNIT_FLEET_H
#define TESTS_UNIT_FLEET_H

#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/pool.h"
#include "tunnel_support.h"

#define FLEET_MAX 4
#define FLEET_STREAMS 64

struct fleet;

struct fleet_ship {
    struct fleet *fleet;
    struct handshaker *handshaker; /* NULL: it is not there */
    struct address address;
    struct tunnel *tunnels[8]; /* NULL: closed */
    unsigned accepted;
    const char *refusal; /* reason of the refusal of every stream; NULL: it takes them */
    bool silent;         /* it does not answer streams; probes it does */
    unsigned probes, streams;
    struct endpoint *served[FLEET_STREAMS];
};

struct fleet {
    struct loop *loop;
    struct handshaker *source;
    struct buffers *buffers;
    struct pool *pool;
    int64_t ids;
    struct fleet_ship ships[FLEET_MAX];
    struct address addresses[FLEET_MAX];
    struct snapshot_outbound outbound; /* "plug" of web, connected to sql of db */
    struct snapshot snapshot;
};

/* `count` replicas, all of which are there and in the snapshot. */
void fleet_make(struct fleet *fleet, unsigned count);
void fleet_free(struct fleet *fleet);

/* It ends at once, as if killed; and is there again, at the same address. */
void fleet_sink(struct fleet_ship *ship);
void fleet_raise(struct fleet_ship *ship);

/* Has the snapshot name these, "02" for the first and the third. */
void fleet_order(struct fleet *fleet, const char *ships);

/* Streams that are open at it. */
unsigned fleet_open(const struct fleet_ship *ship);

void fleet_turn_until(struct fleet *fleet, bool (*done)(void *argument), void *argument);

/* Turns for so long, whatever happens. */
void fleet_turn_for(struct fleet *fleet, int milliseconds);

#endif
