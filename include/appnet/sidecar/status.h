/* What a sidecar shows of itself: to `appnet status` as JSON, to Prometheus as text, to probes as
 * ready or not. */
#ifndef APPNET_SIDECAR_STATUS_H
#define APPNET_SIDECAR_STATUS_H

#include <stdbool.h>

#include "appnet/identity/identity.h"
#include "appnet/sidecar/board.h"
#include "appnet/sidecar/membership.h"
#include "appnet/sidecar/worker.h"

/* Everything there is to show, borrowed for one call. */
struct status {
    const struct snapshot *snapshot;
    const struct certificate_summary *certificate; /* NULL: not joined yet */
    const struct membership_info *registry;        /* NULL: there is none */
    const struct board *board;
    struct worker_report *const *reports; /* one a worker */
    unsigned workers;
    const char *engine;
    bool draining;
    int64_t started; /* loop_now */
};

/* malloc'ed texts. */
char *status_json(const struct status *status);
char *status_metrics(const struct status *status);

/* True when every required outbound works and no drain has begun; *out is then "ready\n", else a
 * line for each that does not work. malloc'ed. Needs no reports. */
bool status_ready(const struct status *status, char **out);

#endif
