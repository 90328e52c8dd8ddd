/* What each sidecar is told: its own connections and nothing else, as one JSON object a line, for
 * as long as it listens. A sidecar that comes back with what it was told last hears only whether
 * that is still right.
 *
 *   {"type":"snapshot","revision":12,"view":"DIGEST","lease":15,"connections":[C,...],
 *    "trust_bundle":"PEM"}
 *   {"type":"resume","revision":12,"view":"DIGEST","lease":15}
 *   {"type":"change","revision":13,"view":"DIGEST","put":[C,...],"remove":["ID",...]}
 *   {"type":"alive"}
 *
 * where C is, as source: {"id","role":"source","outbound","instance","inbound","port","addresses"},
 * and as target: {"id","role":"target","inbound","instance","outbound"}. */
#ifndef APPNET_REGISTRY_FEED_H
#define APPNET_REGISTRY_FEED_H

#include <stdint.h>

#include "appnet/http/exchange.h"
#include "appnet/registry/mesh.h"
#include "appnet/registry/presence.h"

struct event_base;
struct feed;

struct feed_sources {
    const struct mesh *mesh;
    struct presence *presence;
    const int64_t *revision;
    const char *(*trust_bundle)(void *argument);
    void *argument;
    unsigned lease; /* seconds */
};

/* All of `sources` outlives it. */
struct feed *feed_new(struct event_base *base, const struct feed_sources *sources);
void feed_free(struct feed *feed); /* ends all watches */

/* Begins to answer `exchange` with what the replica is to know; `view` is the digest of what it
 * has, or NULL. Ends an earlier watch of the same replica. */
void feed_watch(struct feed *feed, struct http_exchange *exchange, struct replica *replica,
                const char *view);

/* Something that the instance's sidecars are told of may have changed: they hear of it in this turn
 * of the loop. */
void feed_touch(struct feed *feed, const char *instance);
void feed_touch_all(struct feed *feed);

/* Ends every watch of the instance's. */
void feed_cut(struct feed *feed, const char *instance);

#endif
