/* What may come besides application data once the handshake is over: alerts, session tickets,
 * KeyUpdates (RFC 8446, sections 4.6 and 6). Pure: it is handed the content of opened records.
 * Private to src/tls. */
#ifndef APPNET_TLS_AFTER_H
#define APPNET_TLS_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/base/error.h"
#include "appnet/tls/keys.h"

#define TLS_CONTENT_ALERT 21
#define TLS_CONTENT_HANDSHAKE 22
#define TLS_CONTENT_DATA 23
#define TLS_HANDSHAKE_KEY_UPDATE 24

/* Records in a row without a byte of application data; more than this only keep us busy. */
#define AFTER_IDLE_RECORDS_MAX 32

enum after_result {
    AFTER_NOTHING,        /* go on */
    AFTER_CLOSED,         /* close_notify */
    AFTER_UPDATE,         /* the peer's next record is sealed with its next key */
    AFTER_UPDATE_REQUEST, /* the same, and it wants us to change ours */
    AFTER_FAILED
};

/* A handshake message may be spread over records. All zero at the beginning. */
struct after {
    uint8_t header[4];
    unsigned header_used;
    size_t left; /* of the message's body */
    unsigned idle_records;
    int alert; /* with AFTER_FAILED: the alert to send, or 0 */
};

/* Looks at one record's content that is not application data, or is empty. */
enum after_result after_take(struct after *after, enum tls_version version, uint8_t type,
                             const uint8_t *content, size_t length, struct error *err);

/* Application data has come. */
void after_data(struct after *after);

#endif
