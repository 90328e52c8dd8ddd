#include "appnet/sidecar/report.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/sidecar/policy.h"

/* ---- use ---- */

static void add_use(struct worker_use *sum, const struct worker_use *use)
{
    sum->streams += use->streams;
    sum->sent += use->sent;
    sum->received += use->received;
}

static unsigned worker_count(const struct report_use *use)
{
    return use->reports ? use->workers : 0;
}

struct worker_use report_total(const struct report_use *use)
{
    struct worker_use sum = {0};

    for (unsigned i = 0; i < worker_count(use); i++) {
        for (unsigned k = 0; k < use->reports[i]->use_count; k++) {
            add_use(&sum, &use->reports[i]->uses[k]);
        }
    }
    return sum;
}

/* The uses of all workers, sorted by their connections. */
struct index {
    const struct worker_use **uses;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct worker_use *const *x = a;
    const struct worker_use *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static struct index index_make(const struct report_use *use)
{
    struct index index = {0};
    size_t room = 0;

    for (unsigned i = 0; i < worker_count(use); i++) {
        room += use->reports[i]->use_count;
    }
    index.uses = memory_zalloc((room + 1) * sizeof(void *));
    for (unsigned i = 0; i < worker_count(use); i++) {
        for (unsigned k = 0; k < use->reports[i]->use_count; k++) {
            index.uses[index.count++] = &use->reports[i]->uses[k];
        }
    }
    qsort(index.uses, index.count, sizeof(void *), compare);
    return index;
}

static struct worker_use index_sum(const struct index *index, const char *id)
{
    struct worker_use sum = {0};
    size_t low = 0;
    size_t high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(index->uses[middle]->id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < index->count && strcmp(index->uses[low]->id, id) == 0; low++) {
        add_use(&sum, index->uses[low]);
    }
    return sum;
}

/* ---- entries ---- */

static json_t *entry_make(const struct index *index, const char *id, const char *role)
{
    const struct worker_use use = index_sum(index, id);

    return json_pack("{s:s, s:s, s:I, s:I, s:I}", "id", id, "role", role, "streams",
                     (json_int_t)use.streams, "sent", (json_int_t)use.sent, "received",
                     (json_int_t)use.received);
}

static void add_state(json_t *entry, enum connection_status status, const char *reason,
                      const char *detail)
{
    json_object_set_new(entry, "status", json_string(connection_status_text(status)));
    if (reason) {
        json_object_set_new(entry, "reason", json_string(reason));
        json_object_set_new(entry, "detail", json_string(detail));
    }
}

static void add_impossible(json_t *entry, const struct snapshot *snapshot,
                           const struct view_connection *connection)
{
    struct error why = ERROR_INIT;

    if (strcmp(connection->instance, snapshot->instance) == 0) {
        error_set(&why, "instance %s is not connected to itself", snapshot->instance);
    } else if (snapshot_find_outbound(snapshot, connection->outbound)) {
        error_set(&why, "no port is known for outbound %s to listen on", connection->outbound);
    } else {
        error_set(&why, "the sidecar's configuration has no outbound %s", connection->outbound);
    }
    add_state(entry, CONNECTION_FAILED, REASON_INTERFACE_WITHDRAWN, why.text);
}

static json_t *source_entry(const struct view_connection *connection,
                            const struct snapshot *snapshot, const struct board *board,
                            const struct index *index)
{
    const struct snapshot_outbound *outbound =
        snapshot_find_outbound(snapshot, connection->outbound);
    const struct connection_state *state;
    json_t *entry = entry_make(index, connection->id, "source");

    if (!outbound || !outbound->connected || strcmp(outbound->id, connection->id) != 0) {
        add_impossible(entry, snapshot, connection);
    } else if ((state = board_state(board, outbound->name))) {
        add_state(entry, state->status, state->reason, state->detail.text);
    } else {
        add_state(entry, CONNECTION_WAITING, NULL, NULL);
    }
    return entry;
}

json_t *report_connections(const struct view *view, const struct snapshot *snapshot,
                           const struct board *board, const struct report_use *use)
{
    struct index index = index_make(use);
    json_t *list = json_array();

    for (unsigned i = 0; i < view_count(view); i++) {
        const struct view_connection *connection = view_at(view, i);
        json_array_append_new(list, connection->is_source
                                        ? source_entry(connection, snapshot, board, &index)
                                        : entry_make(&index, connection->id, "target"));
    }
    free(index.uses);
    return list;
}
