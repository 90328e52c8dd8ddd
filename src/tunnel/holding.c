#include "holding.h"

#include <string.h>

bool holding_add(struct holding *holding, struct buffers *buffers, const uint8_t *data, size_t size)
{
    while (size > 0) {
        struct packet *packet = holding->last;
        size_t room = packet ? sizeof packet->bytes - packet->used : 0;

        if (room == 0) {
            packet = buffers_take_packet(buffers);
            if (!packet) {
                return false;
            }
            if (holding->last) {
                holding->last->next = packet;
            } else {
                holding->first = packet;
            }
            holding->last = packet;
            room = sizeof packet->bytes;
        }
        if (room > size) {
            room = size;
        }
        memcpy(packet->bytes + packet->used, data, room);
        packet->used += room;
        data += room;
        size -= room;
    }
    return true;
}

unsigned holding_parts(const struct holding *holding, struct iovec *parts, unsigned most,
                       size_t *size)
{
    size_t given = holding->given;
    unsigned count = 0;

    *size = 0;
    for (struct packet *at = holding->first; at && count < most; at = at->next) {
        parts[count] = (struct iovec){.iov_base = at->bytes + given, .iov_len = at->used - given};
        *size += parts[count++].iov_len;
        given = 0;
    }
    return count;
}

void holding_taken(struct holding *holding, struct buffers *buffers, size_t size)
{
    while (holding->first && size >= holding->first->used - holding->given) {
        struct packet *packet = holding->first;
        size -= packet->used - holding->given;
        holding->given = 0;
        holding->first = packet->next;
        buffers_give_packet(buffers, packet);
    }
    if (holding->first) {
        holding->given += size;
    } else {
        holding->last = NULL;
    }
}

void holding_clear(struct holding *holding, struct buffers *buffers)
{
    size_t size;

    while (holding->first) {
        struct iovec part;
        holding_parts(holding, &part, 1, &size);
        holding_taken(holding, buffers, size);
    }
}
