/* Bytes that an endpoint has not taken yet, in the order they came, in packets of the thread's
 * buffers. Private to src/tunnel. */
#ifndef APPNET_TUNNEL_HOLDING_H
#define APPNET_TUNNEL_HOLDING_H

#include <stdbool.h>
#include <stddef.h>

#include "appnet/tunnel/buffers.h"

/* All zero: empty. */
struct holding {
    struct packet *first, *last;
    size_t given; /* bytes of the first packet that are gone already */
};

/* Copies the bytes behind what is held; false when there is no memory for all of them. */
bool holding_add(struct holding *holding, struct buffers *buffers, const uint8_t *data,
                 size_t size);

/* The first bytes that are held, in up to `most` parts; *size is their sum. */
unsigned holding_parts(const struct holding *holding, struct iovec *parts, unsigned most,
                       size_t *size);

/* `size` bytes from the front have been taken. */
void holding_taken(struct holding *holding, struct buffers *buffers, size_t size);

void holding_clear(struct holding *holding, struct buffers *buffers);

#endif
