/* Finds the uses of a worker's report while it is made: there may be thousands of connections, and
 * tens of thousands of streams of theirs, and meanwhile the worker carries nothing. Private to the
 * sidecar. */
#ifndef APPNET_SIDECAR_USE_INDEX_H
#define APPNET_SIDECAR_USE_INDEX_H

#include "appnet/sidecar/worker.h"

#define USE_INDEX_HEADS 4096

/* All of it zero in the beginning. */
struct use_index {
    unsigned heads[USE_INDEX_HEADS]; /* of chains; places in the report's uses, counted from 1 */
    unsigned *next;                  /* behind each use, the same */
    unsigned room;
};

/* The report's use of these, which is made if it is not there. Good until the next one is made. */
struct worker_use *use_index_at(struct use_index *index, struct worker_report *report,
                                bool is_source, const char *name, const char *id);

void use_index_clear(struct use_index *index);

#endif
