#include "appnet/sidecar/snapshot.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

struct counted_snapshot {
    struct snapshot snapshot; /* first: the one is a pointer to the other */
    atomic_uint references;
};

static int compare(const void *a, const void *b)
{
    const struct snapshot_allow *x = a;
    const struct snapshot_allow *y = b;
    int order = strcmp(x->inbound, y->inbound);

    if (order == 0) {
        order = strcmp(x->instance, y->instance);
    }
    return order != 0 ? order : strcmp(x->outbound, y->outbound);
}

static void copy_name(char out[NAME_SIZE], const char *name)
{
    snprintf(out, NAME_SIZE, "%s", name);
}

static int copy_inbounds(struct snapshot *snapshot, const struct config *config, struct error *err)
{
    snapshot->inbounds = memory_zalloc((config->inbound_count + 1) * sizeof *snapshot->inbounds);
    for (unsigned i = 0; i < config->inbound_count; i++) {
        struct snapshot_inbound *inbound = &snapshot->inbounds[i];
        copy_name(inbound->name, config->inbounds[i].name);
        inbound->target = config->inbounds[i].target;
        if (address_resolve(&inbound->target, &inbound->resolved, err) != 0) {
            return error_prefix(err, "inbound %s", inbound->name);
        }
        snapshot->inbound_count++;
    }
    return 0;
}

static struct snapshot *make(const char *instance, const char *trust_domain)
{
    struct counted_snapshot *counted = memory_zalloc(sizeof *counted);
    struct snapshot *snapshot = &counted->snapshot;

    atomic_init(&counted->references, 1);
    copy_name(snapshot->instance, instance);
    snprintf(snapshot->trust_domain, sizeof snapshot->trust_domain, "%s", trust_domain);
    return snapshot;
}

static struct snapshot *make_with_inbounds(const struct config *config, struct error *err)
{
    struct snapshot *snapshot = make(config->instance, config->trust_domain);

    if (copy_inbounds(snapshot, config, err) != 0) {
        snapshot_unref(snapshot);
        return NULL;
    }
    return snapshot;
}

static void copy_outbounds(struct snapshot *snapshot, const struct config *config)
{
    snapshot->outbounds = memory_zalloc((config->outbound_count + 1) * sizeof *snapshot->outbounds);
    snapshot->outbound_count = config->outbound_count;
    for (unsigned i = 0; i < config->outbound_count; i++) {
        copy_name(snapshot->outbounds[i].name, config->outbounds[i].name);
        snapshot->outbounds[i].required = config->outbounds[i].required;
        snapshot->outbounds[i].listen = config->outbounds[i].listen;
    }
}

static struct snapshot_allow *next_allow(struct snapshot *snapshot, const char *inbound,
                                         const char *instance, const char *outbound)
{
    struct snapshot_allow *allow = &snapshot->allows[snapshot->allow_count++];

    copy_name(allow->inbound, inbound);
    copy_name(allow->instance, instance);
    copy_name(allow->outbound, outbound);
    return allow;
}

static void sort_allows(struct snapshot *snapshot)
{
    qsort(snapshot->allows, snapshot->allow_count, sizeof *snapshot->allows, compare);
}

/* ---- wired by files ---- */

static void wire_by_files(struct snapshot *snapshot, const struct config *config)
{
    snapshot->addresses =
        memory_zalloc((config->connection_count + 1) * sizeof *snapshot->addresses);
    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        struct snapshot_outbound *outbound = &snapshot->outbounds[i];
        const struct config_connection *connection = config_find_connection(config, outbound->name);
        if (connection) {
            outbound->connected = true;
            copy_name(outbound->instance, connection->instance);
            copy_name(outbound->inbound, connection->inbound);
            outbound->port = outbound->listen.port;
            outbound->address_first = snapshot->address_count;
            outbound->address_count = 1;
            snapshot->addresses[snapshot->address_count++] = connection->address;
        }
    }
    snapshot->allows = memory_zalloc((config->allow_count + 1) * sizeof *snapshot->allows);
    for (unsigned i = 0; i < config->allow_count; i++) {
        next_allow(snapshot, config->allows[i].inbound, config->allows[i].instance,
                   config->allows[i].outbound);
    }
    sort_allows(snapshot);
}

struct snapshot *snapshot_new(const struct config *config, struct error *err)
{
    struct snapshot *snapshot = make_with_inbounds(config, err);

    if (snapshot) {
        copy_outbounds(snapshot, config);
        wire_by_files(snapshot, config);
    }
    return snapshot;
}

/* ---- wired by the registry ---- */

static struct snapshot_outbound *find_plug(struct snapshot *snapshot, const char *name)
{
    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        if (strcmp(snapshot->outbounds[i].name, name) == 0) {
            return &snapshot->outbounds[i];
        }
    }
    return NULL;
}

/* Rule 5. False: there is no port to listen on. */
static bool choose_listen(struct snapshot_outbound *outbound, uint16_t port)
{
    if (outbound->listen.port == 0) {
        outbound->listen = (struct address){.host = "127.0.0.1", .port = port};
    }
    return outbound->listen.port != 0;
}

static void wire_source(struct snapshot *snapshot, const struct view_connection *connection)
{
    struct snapshot_outbound *outbound = find_plug(snapshot, connection->outbound);

    if (!outbound || !choose_listen(outbound, connection->port)) {
        return;
    }
    outbound->connected = true;
    copy_name(outbound->id, connection->id);
    copy_name(outbound->instance, connection->instance);
    copy_name(outbound->inbound, connection->inbound);
    outbound->port = connection->port != 0 ? connection->port : outbound->listen.port;
    outbound->address_first = snapshot->address_count;
    outbound->address_count = connection->address_count;
    for (unsigned i = 0; i < connection->address_count; i++) {
        snapshot->addresses[snapshot->address_count++] = connection->addresses[i];
    }
}

static void wire_by_view(struct snapshot *snapshot, const struct view *view)
{
    unsigned count = view ? view_count(view) : 0;
    unsigned addresses = 0;

    for (unsigned i = 0; i < count; i++) {
        addresses += view_at(view, i)->address_count;
    }
    snapshot->addresses = memory_zalloc((addresses + 1) * sizeof *snapshot->addresses);
    snapshot->allows = memory_zalloc((count + 1) * sizeof *snapshot->allows);
    for (unsigned i = 0; i < count; i++) {
        const struct view_connection *connection = view_at(view, i);
        if (strcmp(connection->instance, snapshot->instance) == 0) {
            continue; /* none is connected to itself, whoever says so */
        }
        if (connection->is_source) {
            wire_source(snapshot, connection);
        } else if (snapshot_find_inbound(snapshot, connection->inbound)) {
            struct snapshot_allow *allow = next_allow(snapshot, connection->inbound,
                                                      connection->instance, connection->outbound);
            copy_name(allow->id, connection->id);
            allow->port = connection->port;
        }
    }
    sort_allows(snapshot);
}

struct snapshot *snapshot_from_view(const struct config *config, const struct view *view,
                                    struct error *err)
{
    struct snapshot *snapshot = make_with_inbounds(config, err);

    if (snapshot) {
        copy_outbounds(snapshot, config);
        wire_by_view(snapshot, view);
    }
    return snapshot;
}

struct snapshot *snapshot_rewire(const struct snapshot *base, const struct config *config,
                                 const struct view *view)
{
    struct snapshot *snapshot = make(base->instance, base->trust_domain);

    snapshot->inbounds = memory_zalloc((base->inbound_count + 1) * sizeof *snapshot->inbounds);
    snapshot->inbound_count = base->inbound_count;
    memcpy(snapshot->inbounds, base->inbounds, base->inbound_count * sizeof *base->inbounds);
    copy_outbounds(snapshot, config);
    wire_by_view(snapshot, view);
    return snapshot;
}

/* ---- life ---- */

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    struct counted_snapshot *counted = (struct counted_snapshot *)snapshot;

    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    struct counted_snapshot *counted = (struct counted_snapshot *)snapshot;

    if (snapshot && atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) == 1) {
        free(snapshot->inbounds);
        free(snapshot->outbounds);
        free(snapshot->addresses);
        free(snapshot->allows);
        free(counted);
    }
}

/* ---- asking ---- */

const struct snapshot_inbound *snapshot_find_inbound(const struct snapshot *snapshot,
                                                     const char *name)
{
    for (unsigned i = 0; i < snapshot->inbound_count; i++) {
        if (strcmp(snapshot->inbounds[i].name, name) == 0) {
            return &snapshot->inbounds[i];
        }
    }
    return NULL;
}

const struct snapshot_outbound *snapshot_find_outbound(const struct snapshot *snapshot,
                                                       const char *name)
{
    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        if (strcmp(snapshot->outbounds[i].name, name) == 0) {
            return &snapshot->outbounds[i];
        }
    }
    return NULL;
}

const struct address *snapshot_addresses(const struct snapshot *snapshot,
                                         const struct snapshot_outbound *outbound)
{
    return snapshot->addresses + outbound->address_first;
}

bool snapshot_same_socket(const struct snapshot_outbound *a, const struct snapshot_outbound *b)
{
    return strcmp(a->name, b->name) == 0 && a->connected && b->connected &&
           address_equal(&a->listen, &b->listen);
}

bool snapshot_same_wire(const struct snapshot_outbound *a, const struct snapshot_outbound *b)
{
    return strcmp(a->name, b->name) == 0 && a->connected == b->connected &&
           strcmp(a->id, b->id) == 0 && strcmp(a->instance, b->instance) == 0 &&
           strcmp(a->inbound, b->inbound) == 0 && a->port == b->port &&
           address_equal(&a->listen, &b->listen);
}

const struct snapshot_allow *snapshot_find_allow(const struct snapshot *snapshot,
                                                 const char *inbound, const char *instance,
                                                 const char *outbound)
{
    struct snapshot_allow key;

    copy_name(key.inbound, inbound);
    copy_name(key.instance, instance);
    copy_name(key.outbound, outbound);
    return bsearch(&key, snapshot->allows, snapshot->allow_count, sizeof key, compare);
}

bool snapshot_allows(const struct snapshot *snapshot, const char *inbound, const char *instance,
                     const char *outbound)
{
    return snapshot_find_allow(snapshot, inbound, instance, outbound) != NULL;
}
