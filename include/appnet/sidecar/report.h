/* What a sidecar tells the registry of its connections: what it has measured, streams and bytes. No
 * I/O. */
#ifndef APPNET_SIDECAR_REPORT_H
#define APPNET_SIDECAR_REPORT_H

#include <jansson.h>

#include "appnet/sidecar/board.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/sidecar/view.h"
#include "appnet/sidecar/worker.h"

/* What the workers said last of themselves; `reports` NULL: nothing yet. */
struct report_use {
    struct worker_report *const *reports;
    unsigned workers;
};

/* The list of "connections" of a report: all of the view. One that cannot be made here, for want of
 * a plug or of a port, has failed: it does not wait. */
json_t *report_connections(const struct view *view, const struct snapshot *snapshot,
                           const struct board *board, const struct report_use *use);

/* Over all connections. */
struct worker_use report_total(const struct report_use *use);

#endif
