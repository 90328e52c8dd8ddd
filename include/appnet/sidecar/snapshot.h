/* What a sidecar knows of its wires at one moment: immutable, refcounted, replaced whole.
 *
 *   the control thread makes one -> each worker takes a reference and swaps its own
 *   -> the last one out frees it */
#ifndef APPNET_SIDECAR_SNAPSHOT_H
#define APPNET_SIDECAR_SNAPSHOT_H

#include <stdbool.h>

#include "appnet/base/address.h"
#include "appnet/base/name.h"
#include "appnet/config/config.h"
#include "appnet/sidecar/view.h"

struct snapshot_inbound {
    char name[NAME_SIZE];
    struct address target;
    struct socket_address resolved;
};

/* An outbound with what it is connected to. May be copied; the addresses are the snapshot's. */
struct snapshot_outbound {
    char name[NAME_SIZE];
    bool required;
    struct address listen; /* port 0: none of its own, and it is not connected */
    bool connected;        /* the rest says to what */
    char id[NAME_SIZE];    /* of the connection in the registry; empty without one */
    char instance[NAME_SIZE];
    char inbound[NAME_SIZE];
    uint16_t port; /* the one opened for the connection, as its streams ask for it */
    unsigned address_first, address_count; /* in the snapshot's addresses */
};

struct snapshot_allow {
    char inbound[NAME_SIZE];
    char instance[NAME_SIZE];
    char outbound[NAME_SIZE];
    char id[NAME_SIZE]; /* as that of an outbound */
    uint16_t port;      /* of the inbound's rule: no other is dialled for it; 0: any */
};

struct snapshot {
    char instance[NAME_SIZE];
    char trust_domain[TRUST_DOMAIN_SIZE];
    struct snapshot_inbound *inbounds;
    unsigned inbound_count;
    struct snapshot_outbound *outbounds;
    unsigned outbound_count;
    struct address *addresses; /* of the replicas of the outbounds' targets */
    unsigned address_count;
    struct snapshot_allow *allows; /* sorted */
    unsigned allow_count;
};

/* From a configuration, with the connections that are written there. Looks inbound targets up,
 * which may block. */
struct snapshot *snapshot_new(const struct config *config, struct error *err);

/* From a configuration with a registry: connected as the view says (NULL: not at all). An outbound
 * that has no `listen` of its own listens on 127.0.0.1, at the port that was opened for its
 * connection. What the view says of interfaces that are not in the configuration is left out. Looks
 * inbound targets up, which may block. */
struct snapshot *snapshot_from_view(const struct config *config, const struct view *view,
                                    struct error *err);

/* The same, with the inbounds of `base`, which is of the same configuration: nothing is looked up,
 * so it neither blocks nor fails. */
struct snapshot *snapshot_rewire(const struct snapshot *base, const struct config *config,
                                 const struct view *view);

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* from any thread; NULL is fine */

const struct snapshot_inbound *snapshot_find_inbound(const struct snapshot *snapshot,
                                                     const char *name);
const struct snapshot_outbound *snapshot_find_outbound(const struct snapshot *snapshot,
                                                       const char *name);
/* Where the replicas of an outbound's target are: address_count of them, none twice. `outbound` is
 * this snapshot's. */
const struct address *snapshot_addresses(const struct snapshot *snapshot,
                                         const struct snapshot_outbound *outbound);

/* Do the two mean the same listening socket? Which belongs to an outbound while it is connected,
 * whatever to. */
bool snapshot_same_socket(const struct snapshot_outbound *a, const struct snapshot_outbound *b);
/* Are the two the same plug, wired by the same connection to the same inbound? The target's
 * replicas may be others. */
bool snapshot_same_wire(const struct snapshot_outbound *a, const struct snapshot_outbound *b);

/* NULL: it is not allowed. */
const struct snapshot_allow *snapshot_find_allow(const struct snapshot *snapshot,
                                                 const char *inbound, const char *instance,
                                                 const char *outbound);
bool snapshot_allows(const struct snapshot *snapshot, const char *inbound, const char *instance,
                     const char *outbound);

#endif
