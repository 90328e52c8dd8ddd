#include "use_index.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

#define FNV_BASIS UINT32_C(0x811c9dc5)
#define FNV_PRIME UINT32_C(0x01000193)

static uint32_t mix(uint32_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
    } while (*text++ != '\0');
    return hash;
}

static struct worker_use *add(struct use_index *index, struct worker_report *report)
{
    struct worker_use *use;

    if (report->use_count == index->room) {
        index->room = index->room > 0 ? 2 * index->room : 16;
        report->uses = memory_grow(report->uses, index->room, sizeof *report->uses);
        index->next = memory_grow(index->next, index->room, sizeof *index->next);
    }
    use = &report->uses[report->use_count++];
    memset(use, 0, sizeof *use);
    return use;
}

struct worker_use *use_index_at(struct use_index *index, struct worker_report *report,
                                bool is_source, const char *name, const char *id)
{
    uint32_t hash = mix(mix(FNV_BASIS + is_source, name), id);
    unsigned *head = &index->heads[(hash ^ hash >> 16) % USE_INDEX_HEADS];
    struct worker_use *use;

    for (unsigned at = *head; at != 0; at = index->next[at - 1]) {
        use = &report->uses[at - 1];
        if (use->is_source == is_source && strcmp(use->id, id) == 0 &&
            strcmp(use->name, name) == 0) {
            return use;
        }
    }
    use = add(index, report);
    use->is_source = is_source;
    snprintf(use->name, sizeof use->name, "%s", name);
    snprintf(use->id, sizeof use->id, "%s", id);
    index->next[report->use_count - 1] = *head;
    *head = report->use_count;
    return use;
}

void use_index_clear(struct use_index *index)
{
    free(index->next);
    memset(index, 0, sizeof *index);
}
