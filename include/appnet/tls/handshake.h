/* One TLS handshake on a connected, non-blocking socket: mutual authentication, SPIFFE identity,
 * ALPN h2. The peer's identity is judged inside the handshake, so that a refusal reaches it as an
 * alert. */
#ifndef APPNET_TLS_HANDSHAKE_H
#define APPNET_TLS_HANDSHAKE_H

#include <stdbool.h>

#include "appnet/base/error.h"
#include "appnet/identity/spiffe.h"
#include "appnet/tls/context.h"
#include "appnet/tls/keys.h"

#define TLS_CIPHER_NAME_SIZE 64

enum handshake_result { HANDSHAKE_DONE, HANDSHAKE_READ, HANDSHAKE_WRITE, HANDSHAKE_FAILED };

/* Whom the other side must prove to be. */
enum tls_who {
    TLS_ANY_INSTANCE, /* of the trust domain */
    TLS_INSTANCE,     /* the one that is named */
    TLS_REGISTRY,
    TLS_ANYBODY, /* server only: an instance, or somebody without a certificate */
};

struct tls_expected {
    enum tls_who who;
    char instance[NAME_SIZE];
};

/* The instance of that name; with NULL, any. */
struct tls_expected tls_expect(const char *instance);

struct handshake;

/* The outcome: an authenticated session, ready for a record engine (record_new takes `ssl` and
 * `context` over). */
struct tls_session {
    struct spiffe_id peer; /* from the verified leaf certificate; all empty: it showed none */
    char version[16];      /* "TLSv1.2" */
    char cipher[TLS_CIPHER_NAME_SIZE];
    bool is_client;
    struct tls_keys keys;
    mbedtls_ssl_context *ssl;
    struct tls_context *context;
};

/* `fd` is borrowed. */
struct handshake *handshake_new(struct tls_context *context, int fd, bool is_client,
                                const struct tls_expected *expected, struct error *err);

/* Goes as far as the socket allows. HANDSHAKE_READ/WRITE: call again when the socket is ready for
 * that. It reads exactly one record at a time, so that nothing behind the last one is taken from
 * the socket. */
enum handshake_result handshake_step(struct handshake *handshake, struct error *err);

/* The peer's identity as far as it is verified, for log lines of refusals; empty otherwise. */
const char *handshake_peer(const struct handshake *handshake);

/* After HANDSHAKE_DONE: hands the session out. */
int handshake_finish(struct handshake *handshake, struct tls_session *out, struct error *err);

void handshake_free(struct handshake *handshake);

/* Frees what a session still owns and wipes its keys. */
void tls_session_clear(struct tls_session *session);

#endif
