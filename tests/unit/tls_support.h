/* Identities, TLS contexts and sessions for tests. To be used in a folder of the test's own. */
#ifndef TESTS_UNIT_TLS_SUPPORT_H
#define TESTS_UNIT_TLS_SUPPORT_H

#include "appnet/identity/identity.h"
#include "appnet/tls/handshake.h"

#define SUPPORT_DOMAIN "shop.example"

/* Issued by the CA in the folder `ca`, which is made if missing, into a folder named after the
 * instance and the CA. */
struct identity *support_identity(const char *ca, const char *instance);

/* Of the files as they are, unchecked; as `instance` of SUPPORT_DOMAIN. */
struct identity *support_identity_of_files(const char *certificate, const char *key, const char *ca,
                                           const char *instance);

struct tls_context *support_context(const char *ca, const char *instance);

/* Takes an identity over. */
struct tls_context *support_context_of(struct identity *identity);

/* A client's and a server's handshake at the two ends of a pair of sockets. */
struct support_shake {
    int fds[2];
    struct handshake *ends[2]; /* the client's first */
    enum handshake_result results[2];
    struct error errs[2];
};

/* Two ends on a pair of connected sockets, which it takes over. References to the contexts are
 * taken; `expected` is whom the client expects. */
void support_shake_begin(struct support_shake *shake, const int fds[2], struct tls_context *client,
                         struct tls_context *server, const char *expected);

/* One step of each end that is not done. An end that fails closes its direction. */
void support_shake_step(struct support_shake *shake);

/* Steps until both ends are done or have failed. */
void support_shake_finish(struct support_shake *shake);

/* Closes the sockets. */
void support_shake_end(struct support_shake *shake);

/* Two sessions, the client's first, fresh from their handshake on a pair of TCP sockets. */
void support_sessions(struct tls_context *client, struct tls_context *server,
                      struct tls_session sessions[2], int fds[2]);

#endif
