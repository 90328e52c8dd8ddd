#include "appnet/registry/standing.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/time.h"
#include "rowset.h"

/* Time alone makes a connection that waits one that fails, and a lease end. */
#define LOOK_MICROSECONDS 250000
#define RELEASE_AGAIN_MICROSECONDS 1000000
#define SOURCES_MAX 64 /* of more replicas than these, those that work are left out */

struct standing {
    char id[MODEL_CONNECTION_ID_SIZE]; /* first: the key */
    struct state state;
    bool shown;          /* has been told of */
    int64_t released_at; /* loop_now; 0: not yet */
};

struct standings {
    const struct mesh *mesh;
    const struct presence *presence;
    struct standings_events events;
    struct event *look;
    struct rowset rows;
    int64_t started; /* loop_now */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct standing *)a)->id, ((const struct standing *)b)->id);
}

static struct standing *find(const struct standings *standings, const char *id)
{
    struct standing key;

    memset(&key, 0, sizeof key);
    memcpy(key.id, id, strnlen(id, sizeof key.id - 1));
    return rowset_find(&standings->rows, &key);
}

static struct standing *make(struct standings *standings, const char *id)
{
    struct standing *standing = find(standings, id);

    if (!standing) {
        standing = memory_zalloc(sizeof *standing);
        memcpy(standing->id, id, strnlen(id, sizeof standing->id - 1));
        rowset_put(&standings->rows, standing);
    }
    return standing;
}

static bool offers(const struct replica *replica, const char *name, enum model_direction direction,
                   uint16_t port)
{
    const struct model_interface *interface =
        replica->declared ? model_interface_find(replica->declared, name) : NULL;

    return interface && interface->direction == direction && (port == 0 || interface->port == port);
}

/* Those who are asked, and the sentences about those who cannot answer. */
struct inquiry {
    struct state_source sources[SOURCES_MAX];
    struct error no_outbound, no_inbound;
    struct state_input input;
};

static void fail_source(struct state_source *source, const struct error *why)
{
    source->reported = true;
    source->status = STATE_FAILED;
    source->reason = STATE_INTERFACE_WITHDRAWN;
    source->detail = why->text;
}

/* A target that does not offer the inbound, or at another port than that of its rule, fails
 * whatever the sources try; unless it works all the same, which they know better. */
static void ask_targets(const struct standings *standings, struct inquiry *inquiry)
{
    const struct model_connection *connection = inquiry->input.connection;
    const struct model_instance *target = mesh_instance(standings->mesh, connection->target);
    const struct model_interface *inbound =
        target ? model_interface_find(target, connection->inbound) : NULL;
    const struct replica *at = NULL;
    unsigned offering = 0;

    while ((at = presence_next(standings->presence, connection->target, at))) {
        if (at->live) {
            inquiry->input.target_count++;
            offering += !at->reported ||
                        offers(at, connection->inbound, MODEL_INBOUND, inbound ? inbound->port : 0);
        }
    }
    if (inquiry->input.target_count > 0 && offering == 0) {
        error_set(&inquiry->no_inbound,
                  "no replica of %s offers inbound %s at the port of its rule: look at inbounds in "
                  "its sidecar's configuration",
                  connection->target, connection->inbound);
    }
}

static struct state_source ask_source(struct inquiry *inquiry, const struct replica *replica)
{
    const struct model_connection *connection = inquiry->input.connection;
    const struct replica_report *report = replica_report_of(replica, connection->id);
    struct state_source source = {.replica = replica->id};

    if (report) {
        source.reported = true;
        source.status = report->status;
        source.reason = report->reason;
        source.detail = report->detail;
    }
    if (replica->reported && !offers(replica, connection->outbound, MODEL_OUTBOUND, 0)) {
        error_set(&inquiry->no_outbound,
                  "its sidecar has no outbound %s: look at outbounds in its configuration",
                  connection->outbound);
        fail_source(&source, &inquiry->no_outbound);
    } else if (inquiry->no_inbound.text[0] != '\0' && source.reported &&
               source.status != STATE_ESTABLISHED) {
        fail_source(&source, &inquiry->no_inbound);
    }
    return source;
}

/* How much there is to say of it. */
static int weight(const struct state_source *source)
{
    if (!source->reported) {
        return 1;
    }
    return source->status == STATE_FAILED ? 2 : source->status != STATE_ESTABLISHED;
}

static void ask_sources(const struct standings *standings, struct inquiry *inquiry)
{
    const char *instance = inquiry->input.connection->source;
    struct state_source *last = &inquiry->sources[SOURCES_MAX - 1];
    const struct replica *at = NULL;
    struct state_source source;

    while ((at = presence_next(standings->presence, instance, at))) {
        if (!at->live) {
            continue;
        }
        source = ask_source(inquiry, at);
        if (inquiry->input.source_count < SOURCES_MAX) {
            inquiry->sources[inquiry->input.source_count++] = source;
        } else if (weight(&source) > weight(last)) {
            *last = source;
        }
    }
}

/* Those that may still use it: one that is away may, until its lease is over. */
static unsigned unreleased(const struct standings *standings,
                           const struct model_connection *connection, const char *instance)
{
    const struct replica *at = NULL;
    unsigned count = 0;

    while ((at = presence_next(standings->presence, instance, at))) {
        count += !at->silent && at->applied < connection->revision;
    }
    return count;
}

static void release_if_let_go(struct standings *standings, struct standing *standing,
                              const struct state_input *input)
{
    int64_t now = loop_now();

    /* After a start, sidecars that have not come back yet may still use it. */
    if (input->uptime >= STATE_GRACE_MS &&
        (standing->released_at == 0 || now - standing->released_at >= RELEASE_AGAIN_MICROSECONDS) &&
        state_may_go(input)) {
        standing->released_at = now;
        standings->events.released(standings->events.argument, input->connection);
    }
}

static bool equal(const struct state *a, const struct state *b)
{
    return a->status == b->status && a->reason == b->reason &&
           strcmp(a->detail.text, b->detail.text) == 0;
}

void standings_look(struct standings *standings, const struct model_connection *connection)
{
    struct standing *standing = make(standings, connection->id);
    struct inquiry inquiry = {.input = {.connection = connection}};
    struct state_input *input = &inquiry.input;
    struct state now;

    input->now = time_now_ms();
    input->uptime = (loop_now() - standings->started) / 1000;
    input->sources = inquiry.sources;
    ask_targets(standings, &inquiry);
    ask_sources(standings, &inquiry);
    if (connection->removing) {
        input->unreleased = unreleased(standings, connection, connection->source) +
                            unreleased(standings, connection, connection->target);
    }
    state_derive(input, &now);
    if (!standing->shown || !equal(&standing->state, &now)) {
        standing->shown = true;
        standing->state = now;
        standings->events.changed(standings->events.argument, connection, &standing->state);
    }
    if (connection->removing) {
        release_if_let_go(standings, standing, input);
    }
}

void standings_look_at(struct standings *standings, const char *instance)
{
    const struct model_connection *at = NULL;

    while ((at = mesh_next_from(standings->mesh, instance, at))) {
        standings_look(standings, at);
    }
    while ((at = mesh_next_to(standings->mesh, instance, NULL, at))) {
        standings_look(standings, at);
    }
}

static void on_look(evutil_socket_t fd, short what, void *argument)
{
    struct standings *standings = argument;
    struct standing *at = rowset_next(&standings->rows, NULL);

    (void)fd;
    (void)what;
    for (; at; at = rowset_next(&standings->rows, at)) {
        const struct model_connection *connection = mesh_connection(standings->mesh, at->id);
        if (connection &&
            (at->state.status == STATE_WAITING || at->state.status == STATE_TERMINATED)) {
            standings_look(standings, connection);
        }
    }
}

struct standings *standings_new(struct event_base *base, const struct mesh *mesh,
                                const struct presence *presence,
                                const struct standings_events *events)
{
    static const struct timeval often = {0, LOOK_MICROSECONDS};
    struct standings *standings = memory_zalloc(sizeof *standings);

    standings->mesh = mesh;
    standings->presence = presence;
    standings->events = *events;
    standings->started = loop_now();
    standings->rows = (struct rowset)ROWSET_INIT(compare);
    standings->look = event_new(base, -1, EV_PERSIST, on_look, standings);
    event_add(standings->look, &often);
    return standings;
}

void standings_free(struct standings *standings)
{
    struct standing *standing;

    if (!standings) {
        return;
    }
    while ((standing = rowset_next(&standings->rows, NULL))) {
        rowset_take(&standings->rows, standing);
        free(standing);
    }
    rowset_clear(&standings->rows);
    event_free(standings->look);
    free(standings);
}

void standings_forget(struct standings *standings, const char *id)
{
    struct standing *standing = find(standings, id);

    if (standing) {
        rowset_take(&standings->rows, standing);
        free(standing);
    }
}

const struct state *standings_of(const struct standings *standings, const char *id)
{
    static const struct state unknown = {.status = STATE_WAITING};
    const struct standing *standing = find(standings, id);

    return standing ? &standing->state : &unknown;
}
