#include "appnet/tunnel/blocks.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

/* Blocks of 64, 128, 256, 512 and 1024 bytes are kept; larger ones are the C library's. */
#define CLASSES 5
#define SMALLEST 64
/* Bytes kept of each size: a burst does not keep its memory. */
#define KEEP_BYTES (64 << 10)

/* In front of each block. */
union header {
    struct {
        union header *next; /* of those that wait to be used again */
        size_t size;        /* what fits in behind */
    } block;
    max_align_t alignment;
};

struct blocks {
    struct {
        union header *first;
        unsigned count;
    } kept[CLASSES];
};

struct blocks *blocks_new(void)
{
    return memory_zalloc(sizeof(struct blocks));
}

void blocks_free(struct blocks *blocks)
{
    if (!blocks) {
        return;
    }
    for (unsigned i = 0; i < CLASSES; i++) {
        while (blocks->kept[i].first) {
            union header *header = blocks->kept[i].first;
            blocks->kept[i].first = header->block.next;
            free(header);
        }
    }
    free(blocks);
}

/* CLASSES: too large to be kept. */
static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (class < CLASSES && size > (size_t)SMALLEST << class) {
        class ++;
    }
    return class;
}

static void *take(size_t size, void *user)
{
    struct blocks *blocks = user;
    unsigned class = class_of(size);
    union header *header;

    if (class < CLASSES) {
        size = (size_t)SMALLEST << class;
        header = blocks->kept[class].first;
        if (header) {
            blocks->kept[class].first = header->block.next;
            blocks->kept[class].count--;
            return header + 1;
        }
    } else if (size > SIZE_MAX - sizeof *header) {
        return NULL;
    }
    header = malloc(sizeof *header + size);
    if (!header) {
        return NULL;
    }
    header->block.size = size;
    return header + 1;
}

static void give(void *block, void *user)
{
    struct blocks *blocks = user;
    union header *header = block ? (union header *)block - 1 : NULL;
    unsigned class = header ? class_of(header->block.size) : CLASSES;

    if (class == CLASSES || blocks->kept[class].count >= KEEP_BYTES / header->block.size) {
        free(header);
        return;
    }
    header->block.next = blocks->kept[class].first;
    blocks->kept[class].first = header;
    blocks->kept[class].count++;
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    void *block = size > 0 && count > SIZE_MAX / size ? NULL : take(count * size, user);

    if (block) {
        memset(block, 0, count * size);
    }
    return block;
}

static void *resize(void *block, size_t size, void *user)
{
    size_t old = block ? ((union header *)block - 1)->block.size : 0;
    void *larger;

    if (block && size <= old) {
        return block;
    }
    larger = take(size, user);
    if (larger && block) {
        memcpy(larger, block, old);
        give(block, user);
    }
    return larger;
}

nghttp2_mem blocks_mem(struct blocks *blocks)
{
    return (nghttp2_mem){.mem_user_data = blocks,
                         .malloc = take,
                         .free = give,
                         .calloc = take_zeroed,
                         .realloc = resize};
}
