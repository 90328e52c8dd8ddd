/* One event loop of the data plane, with all that lives on it: outbounds, tunnels, relays. Nothing
 * here is shared with other workers; the control thread speaks to it by messages. Functions are for
 * the control thread unless they say otherwise. */
#ifndef APPNET_SIDECAR_WORKER_H
#define APPNET_SIDECAR_WORKER_H

#include "appnet/base/loop.h"
#include "appnet/sidecar/connection_state.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/handshaker.h"

struct worker;

struct worker_tunnel {
    int64_t id;
    bool is_client, draining;
    char peer[NAME_SIZE];
    char address[ADDRESS_TEXT_SIZE];
    char version[16];
    char cipher[TLS_CIPHER_NAME_SIZE];
    char engine[16];
    unsigned worker, streams;
    uint64_t sent, received;
    int64_t microseconds; /* since it was made */
};

/* What one connection is used for. */
struct worker_use {
    bool is_source;
    char name[NAME_SIZE]; /* of our interface */
    char id[NAME_SIZE];   /* of the connection; empty: there is no registry, or it is gone */
    unsigned streams;     /* open ones */
    uint64_t sent, received;
};

/* What one worker tells of itself. All strings are copies. */
struct worker_report {
    struct worker_tunnel *tunnels;
    unsigned tunnel_count;
    struct worker_use *uses;
    unsigned use_count;
    uint64_t opened, refused;
    unsigned open;
};

/* Called on the worker's thread. */
struct worker_events {
    void (*connection_changed)(void *argument, unsigned worker,
                               const struct snapshot_outbound *outbound,
                               const struct connection_state *state);
    void *argument;
};

struct worker *worker_new(unsigned index, unsigned count, struct handshaker *handshaker,
                          const struct worker_events *events, struct error *err);
int worker_start(struct worker *worker, struct error *err);

/* The worker compares with what it has: streams of connections that are gone, or no longer allowed,
 * are cut, new connections are dialled. Takes a reference of its own. */
void worker_apply(struct worker *worker, struct snapshot *snapshot);

/* Hands a listening socket to an outbound; closed if the worker has no such outbound any more. */
void worker_listen(struct worker *worker, const char *outbound, int fd);

/* Hands over a tunnel that a peer has made; from any thread. */
void worker_take_tunnel(struct worker *worker, struct established *established);

/* Tells the peers to open no more streams here. */
void worker_drain(struct worker *worker);

/* Cuts every stream, with that reason in the log. */
void worker_cut(struct worker *worker, const char *reason);

/* Relays it has at this moment; from any thread. */
unsigned worker_open_streams(const struct worker *worker);

/* `done` is called on `reply`'s thread with a report that it frees by worker_report_free. */
void worker_ask(struct worker *worker, struct loop *reply,
                void (*done)(void *argument, struct worker_report *report), void *argument);
void worker_report_free(struct worker_report *report);

/* Ends what is on the loop and stops the thread. */
void worker_stop(struct worker *worker);
/* After worker_stop, and after the handshaker is gone. */
void worker_free(struct worker *worker);

#endif
