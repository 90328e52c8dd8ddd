/* Threads that make authenticated sockets: they look names up, connect, accept, and do the TLS
 * handshakes, each of which is milliseconds of computing, away from the loops that carry traffic.
 */
#ifndef APPNET_TUNNEL_HANDSHAKER_H
#define APPNET_TUNNEL_HANDSHAKER_H

#include <stdbool.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"
#include "appnet/base/loop.h"
#include "appnet/identity/identity.h"
#include "appnet/tls/record.h"

/* From connecting (or accepting) to the end of the handshake. */
#define HANDSHAKER_DEADLINE_SECONDS 10
/* Strangers, in their handshakes or refused and reading why, that one thread keeps at a time; the
 * oldest gives way. */
#define HANDSHAKER_STRANGERS_MAX 512

struct handshaker;

/* A connected, authenticated socket with its record layer, ready to become a tunnel. */
struct established {
    int fd;
    bool is_client;
    struct record *record;
    struct spiffe_id peer;
    char version[16];
    char cipher[TLS_CIPHER_NAME_SIZE];
    char address[ADDRESS_TEXT_SIZE]; /* the other end, numeric */
};

void established_free(struct established *established);

/* Why a dial failed. */
enum dial_failure { DIAL_UNREACHABLE, DIAL_REFUSED };

/* `threads` of them; `engine` NULL: the best that there is. */
struct handshaker *handshaker_new(unsigned threads, const struct record_engine *engine,
                                  struct error *err);

/* Handshakes that begin from now on use this identity; those under way end with the old one. Keeps
 * no reference. On failure the old identity stays. To be called before the first dial or listen,
 * and from one thread. */
int handshaker_set_identity(struct handshaker *handshaker, const struct identity *identity,
                            struct error *err);

/* Accepts on `fd`, which it takes over, until handshaker_close: TLS_ANY_INSTANCE or TLS_ANYBODY.
 * `accepted` is called on a handshake thread and owns what it gets. Refusals are logged here. */
int handshaker_listen(struct handshaker *handshaker, int fd, enum tls_who who,
                      void (*accepted)(void *argument, struct established *established),
                      void *argument, struct error *err);
void handshaker_close(struct handshaker *handshaker);

/* Dials a peer that must prove to be the expected one. `done` is called once, on `reply`'s thread:
 * with an established socket that it then owns, or with NULL, the kind of failure and the reason.
 * `expected` and `address` are copied. */
void handshaker_dial(struct handshaker *handshaker, const struct address *address,
                     const struct tls_expected *expected, struct loop *reply,
                     void (*done)(void *argument, struct established *established,
                                  enum dial_failure failure, const struct error *why),
                     void *argument);

/* Stops the threads; dials under way are answered with a failure. The reply loops must still be
 * there. */
void handshaker_free(struct handshaker *handshaker);

#endif
