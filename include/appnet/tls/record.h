/* The record layer of a session after its handshake, behind one const table of functions an engine.
 * Engines do no I/O of their own except `receive`, keep no buffers of payload, and seal and open in
 * place in the caller's.
 *
 *   caller's buffer for sealing:
 *   [RECORD_HEADROOM][plaintext, at most RECORD_SEAL_MAX][RECORD_TAILROOM]
 *
 * One record object belongs to one thread at a time. */
#ifndef APPNET_TLS_RECORD_H
#define APPNET_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "appnet/base/error.h"
#include "appnet/tls/handshake.h"

#define RECORD_HEADER_SIZE 5
#define RECORD_PLAINTEXT_MAX 16384 /* in a record that comes in */
/* In one that we seal. mbedTLS 3.6 announces a limit of 16384, which in TLS 1.3 counts the type
 * that is sealed with the plaintext (RFC 8449, section 4). */
#define RECORD_SEAL_MAX (RECORD_PLAINTEXT_MAX - 1)
#define RECORD_HEADROOM 16 /* header and TLS 1.2's explicit nonce: 13, rounded up */
#define RECORD_TAILROOM 48 /* content type, padding and tag */
#define RECORD_BUFFER_SIZE (RECORD_HEADROOM + RECORD_PLAINTEXT_MAX + RECORD_TAILROOM)
#define RECORD_WIRE_MAX \
    (RECORD_HEADER_SIZE + RECORD_PLAINTEXT_MAX + 256) /* RFC 8446, section 5.2 */

enum record_result {
    RECORD_OPENED,  /* one record taken; its plaintext may be empty */
    RECORD_PARTIAL, /* not a whole record yet: read more behind it */
    RECORD_CLOSED,  /* the peer's close_notify */
    RECORD_FAILED   /* forged, malformed, or an alert; the session is over */
};

struct record;

struct record_engine {
    const char *name;
    /* Can the engine serve this session on this machine? NULL: any session at all? */
    bool (*usable)(const struct tls_session *session);
    /* Takes the session over; what it does not need is freed. `fd` is the session's socket. */
    struct record *(*create)(struct tls_session *session, int fd, struct error *err);
    /* recv(2) of wire bytes, or what the kernel made of them. */
    ssize_t (*receive)(struct record *record, int fd, void *buffer, size_t size);
    /* Opens the record at `data` in place. RECORD_OPENED: *taken bytes are used up, *plain (inside
     * data) holds *length. */
    enum record_result (*open)(struct record *record, uint8_t *data, size_t size, size_t *taken,
                               uint8_t **plain, size_t *length, struct error *err);
    /* Seals `length` bytes of application data at `plain` in place; *wire is what to send. */
    int (*seal)(struct record *record, uint8_t *plain, size_t length, struct iovec *wire,
                struct error *err);
    /* Must a record of the engine's own (a KeyUpdate) go out before the next sealed one? NULL:
     * never. */
    bool (*control_due)(const struct record *record);
    /* Seals that record into `buffer` (RECORD_BUFFER_SIZE bytes). */
    int (*control)(struct record *record, uint8_t *buffer, struct iovec *wire, struct error *err);
    /* The close_notify to send last; may be empty. */
    void (*farewell)(struct record *record, uint8_t *buffer, struct iovec *wire);
    /* Is its key used up, with no way to change it? Then no new streams should begin on it. NULL:
     * never. */
    bool (*spent)(const struct record *record);
    void (*destroy)(struct record *record);
};

/* Records that one key seals at the most: RFC 8446, section 5.5 allows AES-GCM 2^24.5. Before that,
 * TLS 1.3 changes keys; TLS 1.2 has no way to, so its tunnel is replaced. */
#define RECORD_KEY_LIMIT (UINT64_C(1) << 24)

/* Every engine begins with this. */
struct record {
    const struct record_engine *engine;
    uint64_t key_limit; /* RECORD_KEY_LIMIT, lowered by tests */
};

/* The engines of this build, best first, NULL at the end. */
extern const struct record_engine *const record_engines[];

/* The engine of that name; NULL if this build has none such. */
const struct record_engine *record_engine_find(const char *name);

/* The first engine that this machine can use: what sessions usually get. */
const struct record_engine *record_engine_best(void);

/* Makes the record layer with `engine`, or with the first usable one when NULL. The session is used
 * up either way. */
struct record *record_new(const struct record_engine *engine, struct tls_session *session, int fd,
                          struct error *err);

void record_free(struct record *record);

#endif
