/* The buffers of one thread: taken while bytes are in them, given back and used again after.
 * So an idle tunnel holds none, and traffic in its steady state allocates none. */
#ifndef APPNET_TUNNEL_BUFFERS_H
#define APPNET_TUNNEL_BUFFERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "appnet/tls/record.h"
#include "appnet/tunnel/blocks.h"

/* One recv takes this much: sixteen records of the largest size. */
#define RECEIVE_BUFFER_SIZE ((size_t)16 * RECORD_WIRE_MAX)

/* One outgoing record. */
struct packet {
    struct packet *next;
    struct iovec wire; /* what is left to send, once it is sealed */
    size_t used;       /* plaintext in it */
    uint8_t bytes[RECORD_BUFFER_SIZE];
};

/* One tunnel's incoming bytes. */
struct receive_buffer {
    struct receive_buffer *next;
    size_t begin, end;
    uint8_t bytes[RECEIVE_BUFFER_SIZE];
};

struct buffers;

struct buffers *buffers_new(void);
void buffers_free(struct buffers *buffers);

/* NULL when there is no memory. They come empty. */
struct packet *buffers_take_packet(struct buffers *buffers);
void buffers_give_packet(struct buffers *buffers, struct packet *packet);
struct receive_buffer *buffers_take_receive(struct buffers *buffers);
void buffers_give_receive(struct buffers *buffers, struct receive_buffer *buffer);

/* Small blocks, for nghttp2. */
struct blocks *buffers_blocks(struct buffers *buffers);

#endif
