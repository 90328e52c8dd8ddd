/* A store that this process has for itself: an engine that does one thing after the other, on a
 * thread of its own, behind the asynchronous calls of store.h. What waits is handed to the engine
 * in batches, so that many commits cost one wait for the disk. */
#ifndef APPNET_REGISTRY_STORE_LOCAL_H
#define APPNET_REGISTRY_STORE_LOCAL_H

#include <stdbool.h>

#include "appnet/registry/mesh.h"
#include "store_table.h"

/* All on the store's thread, one at a time. */
struct store_engine {
    /* Puts every row into the empty mesh. */
    int (*load)(void *engine, struct mesh *mesh, int64_t *revision, struct error *err);

    /* A batch: begin, then apply for each commit, then end or cancel. What was applied is kept when
     * end returns 0, and else nothing of it: then, and when begin fails, the batch is over. */
    int (*begin)(void *engine, struct error *err);
    /* Fills in the whole result. A conflict leaves the batch as it was. After STORE_FAILED the
     * batch is cancelled. */
    void (*apply)(void *engine, const struct store_change *changes, unsigned count,
                  struct store_result *result);
    int (*end)(void *engine, struct error *err);
    void (*cancel)(void *engine);

    void (*free)(void *engine);
};

/* Takes the engine over, also when it fails. */
struct store *store_local_new(const struct store_table *table, const struct store_engine *functions,
                              void *engine, struct loop *loop, struct error *err);

/* The functions of the table. */
void store_local_close(struct store *store);
void store_local_load(struct store *store, store_row_seen *row, store_done *done, void *argument);
void store_local_commit(struct store *store, const struct store_change *changes, unsigned count,
                        store_done *done, void *argument);

/* ---- for engines ---- */

union store_row store_local_copy_row(enum store_kind kind, union store_row row);
void store_local_free_row(enum store_kind kind, union store_row row);

/* Whether a change may be made to a row of this revision (STORE_ABSENT: there is none). If not, the
 * result becomes a conflict of change `number`, with a sentence. */
bool store_local_expects(const struct store_change *change, unsigned number, int64_t revision,
                         struct store_result *result);

/* The result becomes a conflict of change `number`: a constraint was in its way. */
void store_local_violates(const struct store_change *change, unsigned number,
                          struct store_result *result);

#endif
