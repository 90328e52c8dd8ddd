/* Pointers to rows, kept in the order of a key. Kept in chunks, so that putting one in among a
 * hundred thousand moves few of them. It owns none of the rows. */
#ifndef APPNET_REGISTRY_ROWSET_H
#define APPNET_REGISTRY_ROWSET_H

#include <stddef.h>

struct rowset_chunk;

/* Orders two rows by their keys. A key to look for is a row of which only the key is filled in. */
typedef int rowset_compare(const void *a, const void *b);

struct rowset {
    rowset_compare *compare;
    struct rowset_chunk **chunks; /* none is empty */
    size_t chunk_count;
    size_t count; /* rows */
};

/* clang-format off */
#define ROWSET_INIT(order) {.compare = (order)}
/* clang-format on */

/* Forgets every row. */
void rowset_clear(struct rowset *set);

/* NULL: there is none with that key. */
void *rowset_find(const struct rowset *set, const void *key);

/* Puts a row in. If there is one with the same key already, takes its place and returns the old
 * one, else returns NULL. */
void *rowset_put(struct rowset *set, void *row);

/* Takes a row out and returns it; NULL: there is none with that key. */
void *rowset_take(struct rowset *set, const void *key);

/* The first row whose key is greater; the first of all if `key` is NULL. NULL: there is none. The
 * key itself need not be there. */
void *rowset_next(const struct rowset *set, const void *key);

#endif
