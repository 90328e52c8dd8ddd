/* An application's socket joined to a stream: bytes, ends and resets go both ways. One worker's
 * relays form a set.
 *
 *   source: accepted -> (waits for a tunnel) -> relay_open -> answered 200 -> ... -> closed
 *                                                   ^----------- refused, and there is another
 *   target: relay_serve dials the application -> accepted -> stream answered 200 -> ... -> closed
 *
 * Every relay has one exit. Its end is one line in the log: "stream closed", also when it was
 * broken off before it was opened, or "stream refused". */
#ifndef APPNET_SIDECAR_RELAY_H
#define APPNET_SIDECAR_RELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include <event2/event_struct.h>

#include "appnet/base/address.h"
#include "appnet/base/rate_limit.h"
#include "appnet/sidecar/lookout.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/request.h"
#include "appnet/tunnel/tunnel.h"

/* How long an application may take to accept. */
#define RELAY_CONNECT_SECONDS 5
/* How long a target may take to answer a stream; twice that, for the way. */
#define RELAY_ANSWER_SECONDS 10
/* Target: after this long at the latest the socket to an application is kept alive. Most
 * connections are over before, and save the system calls. */
#define RELAY_YOUNG_SECONDS 30
/* A stream is opened no more often than this. */
#define RELAY_TRIES_MAX 4

struct event_base;
struct relay;

/* What streams that are over have carried, of one wire. */
struct relay_total {
    LIST_ENTRY(relay_total) link;
    bool is_source;
    char outbound[NAME_SIZE];
    char inbound[NAME_SIZE];
    char peer[NAME_SIZE];
    char id[NAME_SIZE]; /* of the wire */
    uint64_t sent, received;
};

struct relay_set {
    struct event_base *base;
    LIST_HEAD(, relay) relays;
    atomic_uint open;                /* relays there are; read by other threads */
    LIST_HEAD(, relay_total) totals; /* the one used last is first */
    uint64_t opened, refused;
    struct lookout unread; /* those from whose sockets nobody waits for input now */
    struct event aged; /* target: waited for while there may be sockets that are not kept alive */
};

/* Which wire a relay belongs to. */
struct relay_wire {
    bool is_source;
    bool probe; /* target: asked for by a probe, which carries nothing */
    char outbound[NAME_SIZE];
    char inbound[NAME_SIZE];
    char peer[NAME_SIZE];
    char id[NAME_SIZE];       /* source: of the registry's connection; else empty */
    struct rate_limit *lines; /* of refusals in the log; NULL: all of them */
};

/* What an outbound knows that its streams need; good until relay_disown. */
struct relay_guide {
    const struct stream_request *request; /* read while a stream is opened */
    /* There may be another tunnel for one that is refused. So until the target has answered, the
     * bytes it is sent stay with the application's socket too. */
    bool has_spare;
    /* The target refused a stream through `tunnel` with this reason code; or, with has_spare, gave
     * no answer (REASON_UNREACHABLE). */
    void (*refused)(void *argument, struct tunnel *tunnel, const char *reason);
    /* Where to open a stream anew that was refused, or lost before a byte was sent; NULL: nowhere.
     */
    struct tunnel *(*again)(void *argument);
    void *argument;
};

/* Refusals of one outbound, or of one tunnel's peer, that are logged. */
#define RELAY_LINES_BURST 50
#define RELAY_LINES_PER_SECOND 10

void relay_set_init(struct relay_set *set, struct event_base *base);

/* Before the loop goes; all relays must have ended. */
void relay_set_clear(struct relay_set *set);

/* Source: sets what every application's socket needs on their listener, from which they inherit it.
 * `local`: the application is on this machine. */
void relay_prepare(int fd, bool local);

/* Source: takes over the socket `fd` of an application. NULL (and the socket is closed) when there
 * is no memory. */
struct relay *relay_new(struct relay_set *set, int fd, const struct relay_wire *wire);

/* Source, before relay_open: it belongs to this wire now. */
void relay_rename(struct relay *relay, const struct relay_wire *wire);

/* Source: opens a stream for it. When the tunnel takes no stream, the relay is closed like one
 * refused as unreachable. */
void relay_open(struct relay *relay, struct tunnel *tunnel, const struct relay_guide *guide);

/* Source: there is no tunnel to be had. Resets the application's connection. */
void relay_refuse(struct relay *relay, const char *reason, const char *detail);

/* Target: dials the application for a stream that was found in order, and answers the stream. For a
 * probe it answers only. */
void relay_serve(struct relay_set *set, const struct snapshot_inbound *inbound,
                 struct stream *stream, const struct relay_wire *wire);

/* Source: `guide`, and the wire's `lines`, are going away; streams that are still unanswered go on.
 */
void relay_disown(struct relay_set *set, const struct relay_guide *guide);

/* Resets both sides; `reason` is a constant for the log. One that is being cut already keeps its
 * first reason. */
void relay_cut(struct relay *relay, const char *reason);

const struct relay_wire *relay_wire(const struct relay *relay);

/* What it has carried so far: from its application, and to it. */
void relay_bytes(const struct relay *relay, uint64_t *sent, uint64_t *received);

/* Every relay of the set; `visit` may cut the one it is given. */
void relay_each(struct relay_set *set, void (*visit)(void *argument, struct relay *relay),
                void *argument);

/* Writes the line for a stream that was not opened; quietly for a probe, which is repeated until it
 * succeeds. Who asks again and again does not fill the log: the next line says how many were left
 * out. */
void relay_log_refused(struct relay_set *set, const struct relay_wire *wire, unsigned status,
                       const char *reason, const char *detail);

#endif
