#include "appnet/tunnel/buffers.h"

#include <stdlib.h>

#include "appnet/base/memory.h"

/* Given back beyond these, they are freed: a burst over many tunnels does not keep its memory. */
#define KEEP_PACKETS 64
#define KEEP_RECEIVE 2

struct buffers {
    struct packet *packets;
    struct receive_buffer *receive;
    unsigned packet_count, receive_count;
    struct blocks *blocks;
};

struct buffers *buffers_new(void)
{
    struct buffers *buffers = memory_zalloc(sizeof *buffers);

    buffers->blocks = blocks_new();
    return buffers;
}

void buffers_free(struct buffers *buffers)
{
    if (!buffers) {
        return;
    }
    while (buffers->packets) {
        struct packet *packet = buffers->packets;
        buffers->packets = packet->next;
        free(packet);
    }
    while (buffers->receive) {
        struct receive_buffer *buffer = buffers->receive;
        buffers->receive = buffer->next;
        free(buffer);
    }
    blocks_free(buffers->blocks);
    free(buffers);
}

struct blocks *buffers_blocks(struct buffers *buffers)
{
    return buffers->blocks;
}

struct packet *buffers_take_packet(struct buffers *buffers)
{
    struct packet *packet = buffers->packets;

    if (packet) {
        buffers->packets = packet->next;
        buffers->packet_count--;
    } else {
        packet = malloc(sizeof *packet);
    }
    if (packet) {
        packet->next = NULL;
        packet->wire = (struct iovec){0};
        packet->used = 0;
    }
    return packet;
}

void buffers_give_packet(struct buffers *buffers, struct packet *packet)
{
    if (buffers->packet_count >= KEEP_PACKETS) {
        free(packet);
        return;
    }
    packet->next = buffers->packets;
    buffers->packets = packet;
    buffers->packet_count++;
}

struct receive_buffer *buffers_take_receive(struct buffers *buffers)
{
    struct receive_buffer *buffer = buffers->receive;

    if (buffer) {
        buffers->receive = buffer->next;
        buffers->receive_count--;
    } else {
        buffer = malloc(sizeof *buffer);
    }
    if (buffer) {
        buffer->next = NULL;
        buffer->begin = buffer->end = 0;
    }
    return buffer;
}

void buffers_give_receive(struct buffers *buffers, struct receive_buffer *buffer)
{
    if (buffers->receive_count >= KEEP_RECEIVE) {
        free(buffer);
        return;
    }
    buffer->next = buffers->receive;
    buffers->receive = buffer;
    buffers->receive_count++;
}
