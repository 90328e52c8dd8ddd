/* A tunnel's way out: plaintext is laid into packets, packets are sealed in place when full or when
 * the turn ends, and leave in one writev. */
#ifndef APPNET_TUNNEL_SENDER_H
#define APPNET_TUNNEL_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/tunnel/buffers.h"

/* Full records that wait for the socket at the most. */
#define SENDER_QUEUE 16

enum sender_result { SENDER_EMPTY, SENDER_BLOCKED, SENDER_FAILED };

struct sender {
    struct buffers *buffers;
    struct record *record;
    int fd;
    struct packet *open;         /* being filled; NULL: none */
    struct packet *spare;        /* further ones, whose places are given out */
    struct packet *first, *last; /* sealed */
    unsigned count;
    bool broken;          /* a record could not be made; the next flush says so */
    uint64_t sent;        /* bytes on the wire */
    struct error failure; /* why it is broken */
};

/* A place for at least `want` bytes (RECORD_SEAL_MAX at the most) of plaintext in the packet
 * being filled; *size tells how many there are. NULL: the queue is full; or `broken`. */
uint8_t *sender_room(struct sender *sender, size_t want, size_t *size);

/* The same for a frame: room for a header of `header` bytes and, behind it, parts for up to `want`
 * bytes in that packet and those that follow it, `most` of them. The header's room is in front of
 * the first part; *size is what the parts hold. Returns how many they are, 0 for what sender_room
 * says by NULL. */
unsigned sender_parts(struct sender *sender, size_t header, size_t want, struct iovec *parts,
                      unsigned most, size_t *size);

/* `used` bytes of what was given, a header's among them, are filled. */
void sender_commit(struct sender *sender, size_t used);

/* Seals what is there and sends as much as the socket takes. */
enum sender_result sender_flush(struct sender *sender, struct error *err);

/* Sends the farewell if nothing is waiting before it; what fails now does not matter any more. */
void sender_farewell(struct sender *sender);

/* Gives every packet back. */
void sender_clear(struct sender *sender);

#endif
