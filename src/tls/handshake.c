#include "appnet/tls/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/tls/alert.h"
#include "key_export.h"

/* What the first record of a peer may be: RFC 8446, section 5.1. */
#define CONTENT_ALERT 21
#define CONTENT_HANDSHAKE 22

struct handshake {
    struct tls_context *context;
    int fd;
    bool is_client;
    bool foreign;      /* what the peer sends does not begin as TLS does */
    uint8_t heard[7];  /* the beginning of the peer's last record */
    size_t heard_size; /* how much of that record has come; 0: nothing at all */
    struct tls_expected expected;
    struct spiffe_id peer; /* set once the chain is verified and names an instance */
    char peer_text[SPIFFE_TEXT_SIZE];
    uint32_t chain_flags; /* what is wrong with the certificates above the leaf */
    struct error refused; /* why we refuse the peer's certificate */
    struct tls_secrets secrets;
    mbedtls_ssl_context *ssl;
};

struct tls_expected tls_expect(const char *instance)
{
    struct tls_expected expected = {.who = instance ? TLS_INSTANCE : TLS_ANY_INSTANCE};

    snprintf(expected.instance, sizeof expected.instance, "%s", instance ? instance : "");
    return expected;
}

static int send_some(void *at, const unsigned char *data, size_t size)
{
    struct handshake *handshake = at;
    ssize_t n = send(handshake->fd, data, size, MSG_NOSIGNAL);

    if (n >= 0) {
        return (int)n;
    }
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                             : MBEDTLS_ERR_NET_CONN_RESET;
}

static size_t record_size(const struct handshake *handshake)
{
    return 5 + ((size_t)handshake->heard[3] << 8 | handshake->heard[4]);
}

/* Keeps the beginning of each record: what a peer says may be clearer than what mbedTLS makes of
 * it. */
static void hear(struct handshake *handshake, const uint8_t *data, size_t size)
{
    if (handshake->heard_size == 0) {
        handshake->foreign = data[0] != CONTENT_HANDSHAKE && data[0] != CONTENT_ALERT;
    }
    for (size_t i = 0; i < size; i++) {
        if (handshake->heard_size >= 5 && handshake->heard_size == record_size(handshake)) {
            handshake->heard_size = 0;
        }
        if (handshake->heard_size < sizeof handshake->heard) {
            handshake->heard[handshake->heard_size] = data[i];
        }
        handshake->heard_size++;
    }
}

/* The alert in the peer's last record if that was one and not sealed, or -1. */
static int plain_alert(const struct handshake *handshake)
{
    return handshake->heard[0] == CONTENT_ALERT && handshake->heard_size == 7 &&
                   record_size(handshake) == 7
               ? handshake->heard[6]
               : -1;
}

/* mbedTLS asks for a record's header, then for exactly its body: handing out no more keeps what
 * follows in the socket. */
static int receive_some(void *at, unsigned char *out, size_t size)
{
    struct handshake *handshake = at;
    ssize_t n = recv(handshake->fd, out, size, 0);

    if (n > 0) {
        hear(handshake, out, (size_t)n);
        return (int)n;
    }
    if (n == 0) {
        return MBEDTLS_ERR_SSL_CONN_EOF;
    }
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
                                             : MBEDTLS_ERR_NET_CONN_RESET;
}

/* At the first contact nothing is known of the CA but its hash. */
static void trust_pinned(const struct handshake *handshake, const mbedtls_x509_crt *certificate,
                         uint32_t *flags)
{
    const char *pin = tls_context_pin(handshake->context);
    char hash[CERTIFICATE_HASH_SIZE];

    if (pin[0] != '\0') {
        certificate_hash(certificate, hash);
        if (strcmp(hash, pin) == 0) {
            *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        }
    }
}

static int check_who(const struct tls_expected *expected, const struct spiffe_id *id,
                     struct error *err)
{
    if (expected->who == TLS_REGISTRY) {
        return id->is_registry
                   ? 0
                   : error_set(err, "the peer is instance %s, expected the registry", id->instance);
    }
    if (id->is_registry) {
        return error_set(err, "the peer is the registry, expected an instance");
    }
    if (expected->who == TLS_INSTANCE && strcmp(id->instance, expected->instance) != 0) {
        return error_set(err, "the peer is instance %s, expected %s", id->instance,
                         expected->instance);
    }
    return 0;
}

/* Called for each certificate of the peer's chain, the leaf (depth 0) last. */
static int judge(void *at, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    struct handshake *handshake = at;
    struct spiffe_id id;

    if (depth > 0) {
        trust_pinned(handshake, certificate, flags);
        handshake->chain_flags |= *flags;
        return 0;
    }
    if ((*flags | handshake->chain_flags) != 0) {
        char text[160];
        certificate_verify_text(*flags | handshake->chain_flags, text, sizeof text);
        error_set(&handshake->refused, "the peer's certificate is refused: %s", text);
        return 0;
    }
    if (certificate_identity(certificate, &id, &handshake->refused) != 0) {
        error_prefix(&handshake->refused, "the peer's certificate is refused");
    } else if (strcmp(id.trust_domain, tls_context_trust_domain(handshake->context)) != 0) {
        error_set(&handshake->refused, "the peer is of trust domain %s, expected %s",
                  id.trust_domain, tls_context_trust_domain(handshake->context));
    } else if (id.instance[0] == '\0' && !id.is_registry) {
        error_set(&handshake->refused,
                  "the peer's certificate names the trust domain, not an instance");
    } else {
        handshake->peer = id;
        spiffe_format(&id, handshake->peer_text, sizeof handshake->peer_text);
        if (check_who(&handshake->expected, &id, &handshake->refused) == 0) {
            return 0;
        }
    }
    *flags |= MBEDTLS_X509_BADCERT_OTHER;
    return 0;
}

struct handshake *handshake_new(struct tls_context *context, int fd, bool is_client,
                                const struct tls_expected *expected, struct error *err)
{
    struct handshake *handshake = memory_zalloc(sizeof *handshake);
    enum tls_role role = is_client                      ? TLS_CLIENT
                         : expected->who == TLS_ANYBODY ? TLS_OPEN_SERVER
                                                        : TLS_SERVER;

    handshake->context = tls_context_ref(context);
    handshake->fd = fd;
    handshake->is_client = is_client;
    handshake->expected = *expected;
    handshake->ssl = memory_zalloc(sizeof *handshake->ssl);
    mbedtls_ssl_init(handshake->ssl);
    if (mbedtls_ssl_setup(handshake->ssl, tls_context_config(context, role)) != 0) {
        error_set(err, "no memory for a TLS session");
        handshake_free(handshake);
        return NULL;
    }
    /* No host name is asked for or checked: the SPIFFE ID is what counts, and `judge` checks it. */
    if (is_client && mbedtls_ssl_set_hostname(handshake->ssl, NULL) != 0) {
        error_set(err, "no memory for a TLS session");
        handshake_free(handshake);
        return NULL;
    }
    mbedtls_ssl_set_verify(handshake->ssl, judge, handshake);
    mbedtls_ssl_set_bio(handshake->ssl, handshake, send_some, receive_some, NULL);
    key_export_attach(handshake->ssl, tls_context_export_slot(context));
    return handshake;
}

static void explain(const struct handshake *handshake, int code, struct error *err)
{
    char text[128];
    int alert = plain_alert(handshake);

    if (handshake->refused.text[0] != '\0') {
        error_set(err, "%s", handshake->refused.text);
        return;
    }
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        alert = tls_alert_received(handshake->ssl);
    } else if (code == MBEDTLS_ERR_SSL_INVALID_MAC && alert >= 0) {
        /* A TLS 1.3 client of mbedTLS 3.6 that refuses its server says so before it seals. */
        code = MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
    } else if (handshake->foreign) {
        code = MBEDTLS_ERR_SSL_INVALID_RECORD; /* mbedTLS calls it a bad ClientHello */
    }
    switch (code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        error_set(err, "the peer refused the handshake: %s (TLS alert %d)", tls_alert_text(alert),
                  alert);
        return;
    case MBEDTLS_ERR_SSL_CONN_EOF:
        error_set(err, handshake->heard_size > 0
                           ? "the peer closed the connection in the middle of the handshake"
                           : "the peer closed the connection before it said anything");
        return;
    case MBEDTLS_ERR_NET_CONN_RESET:
        error_set(err, "the peer reset the connection in the middle of the handshake");
        return;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        error_set(err, "the peer presented no certificate");
        return;
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
        error_set(
            err, "the peer does not speak TLS as expected here: is it an appnet sidecar's tunnel?");
        return;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
        certificate_verify_text(mbedtls_ssl_get_verify_result(handshake->ssl), text, sizeof text);
        error_set(err, "the peer's certificate is refused: %s", text);
        return;
    default:
        mbedtls_strerror(code, text, sizeof text);
        error_set(err, "the TLS handshake failed: %s", text);
        return;
    }
}

/* Where a certificate is optional, mbedTLS goes on with a bad one. */
static bool has_shown_who_it_is(const struct handshake *handshake)
{
    uint32_t result = mbedtls_ssl_get_verify_result(handshake->ssl);

    if (handshake->expected.who == TLS_ANYBODY && (result & MBEDTLS_X509_BADCERT_MISSING) != 0) {
        return true;
    }
    return result == 0 && handshake->peer_text[0] != '\0';
}

enum handshake_result handshake_step(struct handshake *handshake, struct error *err)
{
    struct tls_secrets **slot = tls_context_export_slot(handshake->context);
    int rc;

    *slot = &handshake->secrets;
    rc = mbedtls_ssl_handshake(handshake->ssl);
    *slot = NULL;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ) {
        return HANDSHAKE_READ;
    }
    if (rc == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return HANDSHAKE_WRITE;
    }
    if (rc == 0) {
        const char *protocol = mbedtls_ssl_get_alpn_protocol(handshake->ssl);
        if (!has_shown_who_it_is(handshake)) {
            mbedtls_ssl_send_alert_message(handshake->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                           MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
            explain(handshake, MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, err);
            return HANDSHAKE_FAILED;
        }
        if (protocol && strcmp(protocol, "h2") == 0) {
            return HANDSHAKE_DONE;
        }
        error_set(err, "the peer did not agree to speak h2 (ALPN)");
        return HANDSHAKE_FAILED;
    }
    explain(handshake, rc, err);
    return HANDSHAKE_FAILED;
}

const char *handshake_peer(const struct handshake *handshake)
{
    return handshake->peer_text;
}

int handshake_finish(struct handshake *handshake, struct tls_session *out, struct error *err)
{
    const char *suite = mbedtls_ssl_get_ciphersuite(handshake->ssl);

    memset(out, 0, sizeof *out);
    out->peer = handshake->peer;
    out->is_client = handshake->is_client;
    snprintf(out->version, sizeof out->version, "%s", mbedtls_ssl_get_version(handshake->ssl));
    snprintf(out->cipher, sizeof out->cipher, "%s", suite);
    out->keys.version = strcmp(out->version, "TLSv1.3") == 0 ? TLS_VERSION_13 : TLS_VERSION_12;
    if (tls_cipher_from_suite(suite, &out->keys.cipher, err) != 0 ||
        tls_keys_derive(&out->keys, &handshake->secrets, out->is_client, err) != 0) {
        return -1;
    }
    out->context = tls_context_ref(handshake->context);
    out->ssl = handshake->ssl;
    handshake->ssl = NULL;
    return 0;
}

static void session_context_free(mbedtls_ssl_context *ssl)
{
    if (ssl) {
        mbedtls_ssl_free(ssl);
        free(ssl);
    }
}

void handshake_free(struct handshake *handshake)
{
    if (!handshake) {
        return;
    }
    session_context_free(handshake->ssl);
    tls_context_unref(handshake->context);
    secret_wipe(&handshake->secrets, sizeof handshake->secrets);
    free(handshake);
}

void tls_session_clear(struct tls_session *session)
{
    session_context_free(session->ssl);
    tls_context_unref(session->context);
    secret_wipe(session, sizeof *session);
}
