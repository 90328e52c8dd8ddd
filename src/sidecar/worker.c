#include "appnet/sidecar/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/sidecar/inbound.h"
#include "appnet/sidecar/outbound.h"
#include "appnet/sidecar/policy.h"
#include "use_index.h"

struct worker_outbound {
    LIST_ENTRY(worker_outbound) link;
    struct worker *worker;
    struct snapshot_outbound definition;
    struct outbound *outbound;
};

struct worker {
    unsigned index, count;
    struct loop *loop;
    const struct worker_events *events;
    struct buffers *buffers;
    struct pool *pool;
    struct relay_set relays;
    struct inbound_set *inbound;
    struct snapshot *snapshot;
    LIST_HEAD(, worker_outbound) outbounds;
    int64_t tunnels_made;
};

/* What the control thread says to a worker. */
struct command {
    struct worker *worker;
    struct snapshot *snapshot;
    struct established *established;
    char outbound[NAME_SIZE];
    int fd;
    const char *reason;
    struct worker_report *report;
    struct use_index *uses; /* of the report, while it is made */
    struct loop *reply;
    void (*done)(void *argument, struct worker_report *report);
    void *argument;
};

static struct command *command_new(struct worker *worker)
{
    struct command *command = memory_zalloc(sizeof *command);

    command->worker = worker;
    return command;
}

/* Unique over all workers. */
static int64_t next_tunnel_id(void *argument)
{
    struct worker *worker = argument;

    return worker->tunnels_made++ * worker->count + worker->index + 1;
}

struct worker *worker_new(unsigned index, unsigned count, struct handshaker *handshaker,
                          const struct worker_events *events, struct error *err)
{
    struct worker *worker = memory_zalloc(sizeof *worker);
    char name[32];

    snprintf(name, sizeof name, "worker-%u", index);
    worker->index = index;
    worker->count = count;
    worker->events = events;
    worker->loop = loop_new(name, err);
    if (!worker->loop) {
        free(worker);
        return NULL;
    }
    LIST_INIT(&worker->outbounds);
    relay_set_init(&worker->relays, loop_base(worker->loop));
    worker->buffers = buffers_new();
    worker->pool = pool_new(worker->loop, handshaker, worker->buffers, next_tunnel_id, worker);
    worker->inbound = inbound_set_new(loop_base(worker->loop), worker->buffers, &worker->relays,
                                      &worker->snapshot);
    return worker;
}

int worker_start(struct worker *worker, struct error *err)
{
    return loop_start(worker->loop, err);
}

/* ---- applying a snapshot ---- */

static void on_state(void *argument, const struct connection_state *state)
{
    struct worker_outbound *at = argument;
    const struct worker_events *events = at->worker->events;

    events->connection_changed(events->argument, at->worker->index, &at->definition, state);
}

static struct worker_outbound *find_outbound(struct worker *worker, const char *name)
{
    struct worker_outbound *at;

    LIST_FOREACH (at, &worker->outbounds, link) {
        if (strcmp(at->definition.name, name) == 0) {
            return at;
        }
    }
    return NULL;
}

/* Is the wire of a live stream still there? If not, why not. */
static const char *broken_wire(const struct snapshot *snapshot, const struct relay_wire *wire)
{
    const struct snapshot_outbound *outbound;

    if (!wire->is_source) {
        if (!snapshot_find_inbound(snapshot, wire->inbound)) {
            return REASON_INTERFACE_WITHDRAWN;
        }
        return snapshot_allows(snapshot, wire->inbound, wire->peer, wire->outbound)
                   ? NULL
                   : REASON_NOT_AUTHORISED;
    }
    outbound = snapshot_find_outbound(snapshot, wire->outbound);
    if (outbound && outbound->connected && strcmp(outbound->instance, wire->peer) == 0 &&
        strcmp(outbound->inbound, wire->inbound) == 0) {
        return NULL;
    }
    return "removed";
}

static void cut_if_broken(void *argument, struct relay *relay)
{
    struct worker *worker = argument;
    const char *reason = broken_wire(worker->snapshot, relay_wire(relay));

    if (reason) {
        relay_cut(relay, reason);
    }
}

static void apply(void *argument)
{
    struct command *command = argument;
    struct worker *worker = command->worker;
    struct snapshot *snapshot = command->snapshot;
    struct worker_outbound *at;
    struct worker_outbound *next;

    free(command);
    snapshot_unref(worker->snapshot);
    worker->snapshot = snapshot;
    for (at = LIST_FIRST(&worker->outbounds); at; at = next) {
        const struct snapshot_outbound *now = snapshot_find_outbound(snapshot, at->definition.name);
        next = LIST_NEXT(at, link);
        if (!now || !snapshot_same_socket(&at->definition, now)) {
            LIST_REMOVE(at, link);
            outbound_free(at->outbound);
            free(at);
        } else if (snapshot_same_wire(&at->definition, now)) {
            outbound_update(at->outbound, snapshot, now);
        } else {
            at->definition = *now;
            outbound_move(at->outbound, snapshot, now);
        }
    }
    relay_each(&worker->relays, cut_if_broken, worker);
    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        const struct snapshot_outbound *definition = &snapshot->outbounds[i];
        if (definition->connected && !find_outbound(worker, definition->name)) {
            at = memory_zalloc(sizeof *at);
            at->worker = worker;
            at->definition = *definition;
            at->outbound = outbound_new(loop_base(worker->loop), worker->pool, &worker->relays,
                                        snapshot, definition, worker->index == 0, on_state, at);
            LIST_INSERT_HEAD(&worker->outbounds, at, link);
        }
    }
}

void worker_apply(struct worker *worker, struct snapshot *snapshot)
{
    struct command *command = command_new(worker);

    command->snapshot = snapshot_ref(snapshot);
    loop_post(worker->loop, apply, command);
}

/* ---- sockets ---- */

static void take_socket(void *argument)
{
    struct command *command = argument;
    struct worker_outbound *at = find_outbound(command->worker, command->outbound);
    struct error err = ERROR_INIT;

    if (!at) {
        close(command->fd);
    } else if (outbound_listen(at->outbound, command->fd, &err) != 0) {
        log_error("listening failed", LOG_S("outbound", command->outbound),
                  LOG_S("detail", err.text));
    }
    free(command);
}

void worker_listen(struct worker *worker, const char *outbound, int fd)
{
    struct command *command = command_new(worker);

    snprintf(command->outbound, sizeof command->outbound, "%s", outbound);
    command->fd = fd;
    loop_post(worker->loop, take_socket, command);
}

static void take_tunnel(void *argument)
{
    struct command *command = argument;

    inbound_take(command->worker->inbound, command->established, next_tunnel_id(command->worker));
    free(command);
}

void worker_take_tunnel(struct worker *worker, struct established *established)
{
    struct command *command = command_new(worker);

    command->established = established;
    loop_post(worker->loop, take_tunnel, command);
}

/* ---- the end ---- */

static void drain(void *argument)
{
    struct worker *worker = argument;

    inbound_drain(worker->inbound);
}

void worker_drain(struct worker *worker)
{
    loop_post(worker->loop, drain, worker);
}

static void cut_one(void *reason, struct relay *relay)
{
    relay_cut(relay, reason);
}

static void cut(void *argument)
{
    struct command *command = argument;

    relay_each(&command->worker->relays, cut_one, (void *)(uintptr_t)command->reason);
    free(command);
}

void worker_cut(struct worker *worker, const char *reason)
{
    struct command *command = command_new(worker);

    command->reason = reason;
    loop_post(worker->loop, cut, command);
}

unsigned worker_open_streams(const struct worker *worker)
{
    return atomic_load_explicit(&worker->relays.open, memory_order_relaxed);
}

/* ---- telling ---- */

static void report_tunnel(void *argument, struct tunnel *tunnel)
{
    struct command *command = argument;
    struct worker_report *report = command->report;
    struct worker_tunnel *out;
    struct tunnel_info info;

    tunnel_describe(tunnel, &info);
    report->tunnels =
        memory_grow(report->tunnels, report->tunnel_count + 1, sizeof *report->tunnels);
    out = &report->tunnels[report->tunnel_count++];
    memset(out, 0, sizeof *out);
    out->id = info.id;
    out->is_client = info.is_client;
    out->draining = info.draining;
    snprintf(out->peer, sizeof out->peer, "%s", info.peer);
    snprintf(out->address, sizeof out->address, "%s", info.address);
    snprintf(out->version, sizeof out->version, "%s", info.version);
    snprintf(out->cipher, sizeof out->cipher, "%s", info.cipher);
    snprintf(out->engine, sizeof out->engine, "%s", info.engine);
    out->worker = command->worker->index;
    out->streams = info.streams;
    out->sent = info.sent;
    out->received = info.received;
    out->microseconds = loop_now() - info.started;
}

static const char *id_of(const struct worker *worker, bool is_source, const char *outbound,
                         const char *inbound, const char *peer)
{
    const struct snapshot_outbound *own;
    const struct snapshot_allow *allow;

    if (!worker->snapshot) {
        return "";
    }
    if (is_source) {
        own = snapshot_find_outbound(worker->snapshot, outbound);
        return own && strcmp(own->inbound, inbound) == 0 && strcmp(own->instance, peer) == 0
                   ? own->id
                   : "";
    }
    allow = snapshot_find_allow(worker->snapshot, inbound, peer, outbound);
    return allow ? allow->id : "";
}

static void report_relay(void *argument, struct relay *relay)
{
    struct command *command = argument;
    const struct relay_wire *wire = relay_wire(relay);
    struct worker_use *use;
    uint64_t sent;
    uint64_t received;

    if (wire->probe) {
        return;
    }
    command->report->open++;
    use = use_index_at(
        command->uses, command->report, wire->is_source,
        wire->is_source ? wire->outbound : wire->inbound,
        id_of(command->worker, wire->is_source, wire->outbound, wire->inbound, wire->peer));
    relay_bytes(relay, &sent, &received);
    use->streams++;
    use->sent += sent;
    use->received += received;
}

static void report_totals(struct command *command)
{
    const struct relay_total *total;

    LIST_FOREACH (total, &command->worker->relays.totals, link) {
        const char *id =
            id_of(command->worker, total->is_source, total->outbound, total->inbound, total->peer);
        bool is_earlier = total->is_source && strcmp(total->id, id) != 0;
        struct worker_use *use =
            use_index_at(command->uses, command->report, total->is_source,
                         total->is_source ? total->outbound : total->inbound, is_earlier ? "" : id);
        use->sent += total->sent;
        use->received += total->received;
    }
}

static void answer(void *argument)
{
    struct command *command = argument;

    command->done(command->argument, command->report);
    free(command);
}

static void make_report(void *argument)
{
    struct command *command = argument;
    struct worker *worker = command->worker;

    command->report = memory_zalloc(sizeof *command->report);
    command->uses = memory_zalloc(sizeof *command->uses);
    pool_each_tunnel(worker->pool, report_tunnel, command);
    inbound_each_tunnel(worker->inbound, report_tunnel, command);
    relay_each(&worker->relays, report_relay, command);
    report_totals(command);
    use_index_clear(command->uses);
    free(command->uses);
    command->report->opened = worker->relays.opened;
    command->report->refused = worker->relays.refused;
    loop_post(command->reply, answer, command);
}

void worker_ask(struct worker *worker, struct loop *reply,
                void (*done)(void *argument, struct worker_report *report), void *argument)
{
    struct command *command = command_new(worker);

    command->reply = reply;
    command->done = done;
    command->argument = argument;
    loop_post(worker->loop, make_report, command);
}

void worker_report_free(struct worker_report *report)
{
    if (report) {
        free(report->tunnels);
        free(report->uses);
        free(report);
    }
}

/* ---- life ---- */

static void free_outbounds(struct worker *worker)
{
    struct worker_outbound *at;

    while ((at = LIST_FIRST(&worker->outbounds))) {
        LIST_REMOVE(at, link);
        outbound_free(at->outbound);
        free(at);
    }
}

void worker_stop(struct worker *worker)
{
    loop_stop(worker->loop);
    loop_join(worker->loop);
}

static void cut_stopped(void *argument, struct relay *relay)
{
    (void)argument;
    relay_cut(relay, "stopped");
}

void worker_free(struct worker *worker)
{
    if (!worker) {
        return;
    }
    worker_stop(worker);
    loop_drain(worker->loop); /* what was posted last may still bring tunnels and sockets */
    free_outbounds(worker);
    relay_each(&worker->relays, cut_stopped, NULL);
    inbound_set_free(worker->inbound);
    pool_free(worker->pool);
    relay_set_clear(&worker->relays);
    loop_free(worker->loop);
    buffers_free(worker->buffers);
    snapshot_unref(worker->snapshot);
    free(worker);
}
