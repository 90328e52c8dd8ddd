#include "rowset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

#define CHUNK_ROWS 256u

struct rowset_chunk {
    unsigned count;
    void *rows[CHUNK_ROWS];
};

/* Where a row is, or where it would be put. */
struct place {
    size_t chunk;
    unsigned row;
    bool found;
};

void rowset_clear(struct rowset *set)
{
    for (size_t i = 0; i < set->chunk_count; i++) {
        free(set->chunks[i]);
    }
    free(set->chunks);
    set->chunks = NULL;
    set->chunk_count = 0;
    set->count = 0;
}

/* The last chunk that begins at or before the key, or the first. */
static size_t chunk_of(const struct rowset *set, const void *key)
{
    size_t low = 0;
    size_t high = set->chunk_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (set->compare(set->chunks[middle]->rows[0], key) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct place locate(const struct rowset *set, const void *key)
{
    struct place place = {0};
    unsigned high;

    if (set->chunk_count == 0) {
        return place;
    }
    place.chunk = chunk_of(set, key);
    high = set->chunks[place.chunk]->count;
    while (place.row < high) {
        unsigned middle = place.row + (high - place.row) / 2;
        int order = set->compare(set->chunks[place.chunk]->rows[middle], key);
        if (order == 0) {
            place.row = middle;
            place.found = true;
            return place;
        }
        if (order < 0) {
            place.row = middle + 1;
        } else {
            high = middle;
        }
    }
    return place;
}

void *rowset_find(const struct rowset *set, const void *key)
{
    struct place place = locate(set, key);

    return place.found ? set->chunks[place.chunk]->rows[place.row] : NULL;
}

static struct rowset_chunk *insert_chunk(struct rowset *set, size_t at)
{
    struct rowset_chunk *chunk = memory_zalloc(sizeof *chunk);

    set->chunks = memory_grow(set->chunks, set->chunk_count + 1, sizeof *set->chunks);
    memmove(&set->chunks[at + 1], &set->chunks[at], (set->chunk_count - at) * sizeof *set->chunks);
    set->chunks[at] = chunk;
    set->chunk_count++;
    return chunk;
}

/* Makes room in a full chunk. Rows that come in order leave full chunks behind, others halves. */
static void split(struct rowset *set, struct place *place)
{
    struct rowset_chunk *full = set->chunks[place->chunk];
    struct rowset_chunk *rest = insert_chunk(set, place->chunk + 1);
    unsigned kept = place->row == CHUNK_ROWS ? CHUNK_ROWS : CHUNK_ROWS / 2;

    rest->count = CHUNK_ROWS - kept;
    memcpy(rest->rows, &full->rows[kept], rest->count * sizeof *rest->rows);
    full->count = kept;
    if (place->row > kept || kept == CHUNK_ROWS) {
        place->chunk++;
        place->row -= kept;
    }
}

void *rowset_put(struct rowset *set, void *row)
{
    struct place place = locate(set, row);
    struct rowset_chunk *chunk;

    if (place.found) {
        void *old = set->chunks[place.chunk]->rows[place.row];
        set->chunks[place.chunk]->rows[place.row] = row;
        return old;
    }
    if (set->chunk_count == 0) {
        insert_chunk(set, 0);
    } else if (set->chunks[place.chunk]->count == CHUNK_ROWS) {
        split(set, &place);
    }
    chunk = set->chunks[place.chunk];
    memmove(&chunk->rows[place.row + 1], &chunk->rows[place.row],
            (chunk->count - place.row) * sizeof *chunk->rows);
    chunk->rows[place.row] = row;
    chunk->count++;
    set->count++;
    return NULL;
}

static void remove_chunk(struct rowset *set, size_t at)
{
    free(set->chunks[at]);
    set->chunk_count--;
    memmove(&set->chunks[at], &set->chunks[at + 1], (set->chunk_count - at) * sizeof *set->chunks);
}

void *rowset_take(struct rowset *set, const void *key)
{
    struct place place = locate(set, key);
    struct rowset_chunk *chunk;
    void *row;

    if (!place.found) {
        return NULL;
    }
    chunk = set->chunks[place.chunk];
    row = chunk->rows[place.row];
    chunk->count--;
    memmove(&chunk->rows[place.row], &chunk->rows[place.row + 1],
            (chunk->count - place.row) * sizeof *chunk->rows);
    if (chunk->count == 0) {
        remove_chunk(set, place.chunk);
    }
    set->count--;
    return row;
}

void *rowset_next(const struct rowset *set, const void *key)
{
    struct place place = {0};

    if (set->chunk_count == 0) {
        return NULL;
    }
    if (key) {
        place = locate(set, key);
        place.row += place.found;
        if (place.row == set->chunks[place.chunk]->count) {
            place.chunk++;
            place.row = 0;
        }
    }
    return place.chunk < set->chunk_count ? set->chunks[place.chunk]->rows[place.row] : NULL;
}
