/* A record layer that was written from the RFCs and not from ours, one direction of it: it seals
 * what a peer might send, however wrong, and opens what an engine has sealed. RFC 5246 with RFC
 * 5288 and RFC 7905 for TLS 1.2; RFC 8446, section 5 for TLS 1.3. */
#ifndef TESTS_UNIT_FORGER_H
#define TESTS_UNIT_FORGER_H

#include "appnet/tls/keys.h"

#define FORGER_WIRE_MAX (5 + 65535)

enum { CONTENT_CCS = 20, CONTENT_ALERT = 21, CONTENT_HANDSHAKE = 22, CONTENT_DATA = 23 };

struct forger {
    struct tls_keys keys; /* version, cipher and hash count */
    struct tls_key key;   /* the direction's */
};

/* Seals into `wire`, with `padding` zeros behind the type in TLS 1.3; returns the whole length. */
size_t forger_seal(struct forger *forger, uint8_t type, const void *content, size_t length,
                   size_t padding, uint8_t *wire);

/* Opens one whole record; fails the test if it is not authentic. Returns the content's length. */
size_t forger_open(struct forger *forger, const uint8_t *wire, size_t size, uint8_t *type,
                   uint8_t *content);

/* The next generation of keys: RFC 8446, section 7.2. */
void forger_update(struct forger *forger);

#endif
