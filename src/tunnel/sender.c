#include "appnet/tunnel/sender.h"

#include <errno.h>
#include <sys/socket.h>

/* With less room than this in a packet, the next frame begins a new one: a bulk frame should fill a
 * record alone, small ones share it. */
#define WORTH_FILLING 2048

static void enqueue(struct sender *sender, struct packet *packet)
{
    packet->next = NULL;
    if (sender->last) {
        sender->last->next = packet;
    } else {
        sender->first = packet;
    }
    sender->last = packet;
    sender->count++;
}

static struct packet *take_packet(struct sender *sender)
{
    struct packet *packet = buffers_take_packet(sender->buffers);

    if (!packet) {
        sender->broken = true;
        error_set(&sender->failure, "no memory for a record");
    }
    return packet;
}

/* A KeyUpdate, when the engine has one to send, goes before the next record. */
static void seal_control(struct sender *sender)
{
    const struct record_engine *engine = sender->record->engine;
    struct packet *packet;

    if (!engine->control_due || !engine->control_due(sender->record) ||
        !(packet = take_packet(sender))) {
        return;
    }
    if (engine->control(sender->record, packet->bytes, &packet->wire, &sender->failure) != 0) {
        sender->broken = true;
    }
    enqueue(sender, packet);
}

static void seal_open(struct sender *sender)
{
    struct packet *packet = sender->open;

    seal_control(sender);
    if (sender->record->engine->seal(sender->record, packet->bytes + RECORD_HEADROOM, packet->used,
                                     &packet->wire, &sender->failure) != 0) {
        sender->broken = true;
    }
    sender->open = NULL;
    enqueue(sender, packet);
}

uint8_t *sender_room(struct sender *sender, size_t want, size_t *size)
{
    if (sender->open && RECORD_SEAL_MAX - sender->open->used < want) {
        seal_open(sender);
    }
    if (sender->broken || (!sender->open && sender->count >= SENDER_QUEUE)) {
        return NULL;
    }
    if (!sender->open && !(sender->open = take_packet(sender))) {
        return NULL;
    }
    *size = RECORD_SEAL_MAX - sender->open->used;
    return sender->open->bytes + RECORD_HEADROOM + sender->open->used;
}

unsigned sender_parts(struct sender *sender, size_t header, size_t want, struct iovec *parts,
                      unsigned most, size_t *size)
{
    size_t room;
    uint8_t *place = sender_room(sender, header + 1, &room);
    struct packet **next = &sender->spare;
    unsigned count = 0;

    *size = 0;
    while (place) {
        size_t length = room - header < want ? room - header : want;
        parts[count++] = (struct iovec){.iov_base = place + header, .iov_len = length};
        *size += length;
        want -= length;
        if (want == 0 || count == most || sender->count + count >= SENDER_QUEUE ||
            (!*next && !(*next = buffers_take_packet(sender->buffers)))) {
            break;
        }
        place = (*next)->bytes + RECORD_HEADROOM;
        next = &(*next)->next;
        room = RECORD_SEAL_MAX;
        header = 0;
    }
    return count;
}

void sender_commit(struct sender *sender, size_t used)
{
    while (!sender->broken) {
        struct packet *packet = sender->open;
        size_t room = RECORD_SEAL_MAX - packet->used;
        size_t here = used < room ? used : room;

        packet->used += here;
        used -= here;
        if (room - here < WORTH_FILLING) {
            seal_open(sender);
        }
        if (used == 0) {
            break;
        }
        sender->open = sender->spare;
        sender->spare = sender->open->next;
    }
}

static void give_spare(struct sender *sender)
{
    struct packet *packet;

    while ((packet = sender->spare)) {
        sender->spare = packet->next;
        buffers_give_packet(sender->buffers, packet);
    }
}

/* Takes `sent` bytes off the front of the queue. */
static void advance(struct sender *sender, size_t sent)
{
    sender->sent += sent;
    while (sender->first && sent >= sender->first->wire.iov_len) {
        struct packet *packet = sender->first;
        sent -= packet->wire.iov_len;
        sender->first = packet->next;
        sender->count--;
        buffers_give_packet(sender->buffers, packet);
    }
    if (!sender->first) {
        sender->last = NULL;
        return;
    }
    sender->first->wire.iov_base = (uint8_t *)sender->first->wire.iov_base + sent;
    sender->first->wire.iov_len -= sent;
}

enum sender_result sender_flush(struct sender *sender, struct error *err)
{
    struct iovec wires[SENDER_QUEUE + 2];
    struct msghdr message = {.msg_iov = wires};

    give_spare(sender);
    if (sender->open && sender->open->used > 0) {
        seal_open(sender);
    } else if (sender->open) {
        buffers_give_packet(sender->buffers, sender->open);
        sender->open = NULL;
    }
    if (sender->broken) {
        *err = sender->failure;
        return SENDER_FAILED;
    }
    while (sender->first) {
        size_t count = 0;
        size_t total = 0;
        ssize_t sent;

        for (struct packet *at = sender->first; at && count < sizeof wires / sizeof wires[0];
             at = at->next) {
            wires[count++] = at->wire;
            total += at->wire.iov_len;
        }
        message.msg_iovlen = count;
        sent = sendmsg(sender->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN) {
                return SENDER_BLOCKED;
            }
            error_set_errno(err, errno, "sending to the peer failed");
            return SENDER_FAILED;
        }
        advance(sender, (size_t)sent);
        if ((size_t)sent < total) {
            return SENDER_BLOCKED;
        }
    }
    return SENDER_EMPTY;
}

void sender_farewell(struct sender *sender)
{
    struct packet *packet =
        sender->first || sender->broken ? NULL : buffers_take_packet(sender->buffers);

    if (packet) {
        sender->record->engine->farewell(sender->record, packet->bytes, &packet->wire);
        if (send(sender->fd, packet->wire.iov_base, packet->wire.iov_len,
                 MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
            sender->sent += packet->wire.iov_len;
        }
        buffers_give_packet(sender->buffers, packet);
    }
}

void sender_clear(struct sender *sender)
{
    give_spare(sender);
    if (sender->open) {
        buffers_give_packet(sender->buffers, sender->open);
        sender->open = NULL;
    }
    while (sender->first) {
        struct packet *packet = sender->first;
        sender->first = packet->next;
        buffers_give_packet(sender->buffers, packet);
    }
    sender->last = NULL;
    sender->count = 0;
}
