#include "appnet/tls/handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>

#include "../../src/identity/draft.h"
#include "appnet/base/file.h"
#include "appnet/identity/authority.h"
#include "appnet/identity/crypto.h"
#include "appnet/identity/random.h"
#include "odd_certificate.h"
#include "support.h"
#include "tls_support.h"

/* Two instances of one CA, for all tests. */
static struct tls_context *web, *db;

static int make_contexts(void **state)
{
    if (support_enter_folder(state) != 0)
        return -1;
    web = support_context("ca", "web");
    db = support_context("ca", "db");
    return 0;
}

static int free_contexts(void **state)
{
    tls_context_unref(web);
    tls_context_unref(db);
    return support_leave_folder(state);
}

static void local_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void assert_says(const struct error *err, const char *part)
{
    if (!strstr(err->text, part))
        assert_string_equal(err->text, part);
}

/* ---- success ---- */

static void assert_same_key(const struct tls_key *a, const struct tls_key *b)
{
    assert_memory_equal(a->key, b->key, TLS_KEY_MAX);
    assert_memory_equal(a->iv, b->iv, TLS_IV_SIZE);
    assert_memory_equal(a->secret, b->secret, TLS_SECRET_MAX);
    assert_int_equal(a->secret_length, b->secret_length);
    assert_int_equal(a->sequence, b->sequence);
}

static void shows_each_end_the_other(void **state)
{
    static const uint8_t no_key[16];
    struct support_shake shake;
    struct tls_session sessions[2];
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, web, db, "db");
    assert_string_equal(handshake_peer(shake.ends[0]), "");
    support_shake_finish(&shake);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(shake.results[i], HANDSHAKE_DONE);
        assert_int_equal(handshake_finish(shake.ends[i], &sessions[i], NULL), 0);
        assert_string_equal(sessions[i].peer.trust_domain, "shop.example");
        assert_int_equal(sessions[i].is_client, i == 0);
        assert_non_null(sessions[i].ssl);
        assert_non_null(sessions[i].context);
    }
    assert_string_equal(sessions[0].peer.instance, "db");
    assert_string_equal(sessions[1].peer.instance, "web");
    assert_string_equal(handshake_peer(shake.ends[0]), "spiffe://shop.example/instance/db");
    assert_string_equal(sessions[0].cipher, sessions[1].cipher);
    assert_string_equal(sessions[0].version, sessions[1].version);
    assert_string_equal(sessions[0].version, MBEDTLS_VERSION_MAJOR >= 3 ? "TLSv1.3" : "TLSv1.2");
    assert_int_equal(sessions[0].keys.version, sessions[1].keys.version);
    assert_int_equal(sessions[0].keys.cipher, TLS_AES_128_GCM);
    assert_int_equal(sessions[1].keys.cipher, TLS_AES_128_GCM);
    assert_same_key(&sessions[0].keys.send, &sessions[1].keys.receive);
    assert_same_key(&sessions[0].keys.receive, &sessions[1].keys.send);
    assert_memory_not_equal(sessions[0].keys.send.key, no_key, sizeof(no_key));
    assert_memory_not_equal(sessions[0].keys.send.key, sessions[0].keys.receive.key,
                            sizeof(no_key));
    for (int i = 0; i < 2; i++) {
        tls_session_clear(&sessions[i]);
        assert_null(sessions[i].ssl);
        tls_session_clear(&sessions[i]); /* nothing is left of it */
    }
    support_shake_end(&shake);
}

static void never_uses_a_key_twice(void **state)
{
    struct tls_session sessions[2][2];

    (void)state;
    for (int round = 0; round < 2; round++) {
        int fds[2];

        support_sessions(web, db, sessions[round], fds);
        close(fds[0]);
        close(fds[1]);
    }
    assert_memory_not_equal(sessions[0][0].keys.send.key, sessions[1][0].keys.send.key, 16);
    assert_memory_not_equal(sessions[0][0].keys.receive.key, sessions[1][0].keys.receive.key, 16);
    for (int round = 0; round < 2; round++) {
        tls_session_clear(&sessions[round][0]);
        tls_session_clear(&sessions[round][1]);
    }
}

static void lets_any_instance_of_the_domain_in(void **state)
{
    struct support_shake shake;
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, web, web, NULL); /* whom it may talk to is decided later */
    support_shake_finish(&shake);
    assert_int_equal(shake.results[0], HANDSHAKE_DONE);
    assert_int_equal(shake.results[1], HANDSHAKE_DONE);
    support_shake_end(&shake);
}

static void may_be_given_up_at_any_step(void **state)
{
    (void)state;
    for (int steps = 0; steps < 6; steps++) {
        struct support_shake shake;
        int fds[2];

        local_pair(fds);
        support_shake_begin(&shake, fds, web, db, "db");
        for (int i = 0; i < steps; i++)
            support_shake_step(&shake);
        support_shake_end(&shake);
    }
    handshake_free(NULL);
}

static void leaves_what_is_behind_it_in_the_socket(void **state)
{
    static const char behind[] = "the first record of the session itself";
    struct support_shake shake;
    char heard[sizeof(behind) + 10];
    int first;
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, web, db, "db");
    /* Which end is done first depends on the version; it may speak at once. */
    for (int step = 0; step < 100; step++) {
        first = step % 2;
        if (shake.results[first] == HANDSHAKE_DONE)
            break;
        shake.results[first] = handshake_step(shake.ends[first], &shake.errs[first]);
        if (shake.results[first] == HANDSHAKE_DONE)
            break;
    }
    assert_int_equal(shake.results[first], HANDSHAKE_DONE);
    assert_int_not_equal(shake.results[1 - first], HANDSHAKE_DONE);
    assert_int_equal(send(fds[first], behind, sizeof(behind), 0), sizeof(behind));
    assert_int_equal(handshake_step(shake.ends[1 - first], &shake.errs[1 - first]), HANDSHAKE_DONE);
    assert_int_equal(recv(fds[1 - first], heard, sizeof(heard), 0), sizeof(behind));
    assert_memory_equal(heard, behind, sizeof(behind));
    support_shake_end(&shake);
}

/* ---- between the ends: a wire that we hold ---- */

struct wire {
    int ends[2];  /* the handshakes' */
    int inner[2]; /* ours */
    size_t carried;
};

static void wire_make(struct wire *wire)
{
    memset(wire, 0, sizeof(*wire));
    for (int i = 0; i < 2; i++) {
        int pair[2];

        local_pair(pair);
        wire->ends[i] = pair[0];
        wire->inner[i] = pair[1];
    }
}

/* Carries at most `limit` bytes each way; the byte number `flip` is changed on its way. */
static void wire_carry(struct wire *wire, size_t limit, size_t flip)
{
    uint8_t bytes[4096];

    for (int i = 0; i < 2; i++) {
        ssize_t n = recv(wire->inner[i], bytes, limit < sizeof(bytes) ? limit : sizeof(bytes), 0);

        if (n > 0) {
            if (flip >= wire->carried && flip < wire->carried + (size_t)n)
                bytes[flip - wire->carried] ^= 0x20;
            wire->carried += (size_t)n;
            send(wire->inner[1 - i], bytes, (size_t)n, MSG_NOSIGNAL);
        } else if (n == 0) {
            shutdown(wire->inner[1 - i], SHUT_WR);
        }
    }
}

static void wire_end(struct wire *wire)
{
    close(wire->inner[0]);
    close(wire->inner[1]);
}

/* How many bytes a handshake has, both ways. */
static size_t shake_over_wire(struct support_shake *shake, size_t piece, size_t flip, int rounds)
{
    struct wire wire;

    wire_make(&wire);
    support_shake_begin(shake, wire.ends, web, db, "db");
    for (int round = 0; round < rounds; round++) {
        support_shake_step(shake);
        wire_carry(&wire, piece, flip);
        if (shake->results[0] == HANDSHAKE_DONE && shake->results[1] == HANDSHAKE_DONE)
            break;
    }
    wire_end(&wire);
    return wire.carried;
}

static void comes_about_in_pieces_of_any_size(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 5, 100, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct support_shake shake;

        shake_over_wire(&shake, pieces[i], SIZE_MAX, 20000);
        assert_int_equal(shake.results[0], HANDSHAKE_DONE);
        assert_int_equal(shake.results[1], HANDSHAKE_DONE);
        support_shake_end(&shake);
    }
}

static void fails_when_the_other_end_goes_away(void **state)
{
    struct support_shake shake;
    size_t total = shake_over_wire(&shake, 4096, SIZE_MAX, 100);

    (void)state;
    support_shake_end(&shake);
    for (size_t cut = 0; cut < total - 1; cut += 97) {
        struct wire wire;

        wire_make(&wire);
        support_shake_begin(&shake, wire.ends, web, db, "db");
        for (int round = 0; round < 4000 && wire.carried < cut; round++) {
            support_shake_step(&shake);
            wire_carry(&wire, cut - wire.carried < 97 ? cut - wire.carried : 97, SIZE_MAX);
        }
        wire_end(&wire); /* what was not carried is lost */
        support_shake_finish(&shake);
        for (int i = 0; i < 2; i++) {
            if (shake.results[i] == HANDSHAKE_DONE)
                continue; /* it had its part already */
            assert_int_equal(shake.results[i], HANDSHAKE_FAILED);
            if (!strstr(shake.errs[i].text, "the peer closed the connection"))
                assert_says(&shake.errs[i], "the peer reset the connection");
        }
        assert_true(shake.results[0] == HANDSHAKE_FAILED || shake.results[1] == HANDSHAKE_FAILED);
        support_shake_end(&shake);
    }
}

static void says_when_the_peer_never_said_a_word(void **state)
{
    struct support_shake shake;
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, web, db, "db");
    shutdown(fds[0], SHUT_WR);
    shake.results[0] = HANDSHAKE_FAILED;
    support_shake_finish(&shake);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    assert_says(&shake.errs[1], "the peer closed the connection before it said anything");
    support_shake_end(&shake);
}

/* Headers of records have bytes that are not authenticated in the handshake; all others are. */
static void does_not_come_about_when_a_byte_is_changed(void **state)
{
    struct support_shake shake;
    size_t total = shake_over_wire(&shake, 4096, SIZE_MAX, 100);
    unsigned failed = 0;
    unsigned tried = 0;

    (void)state;
    support_shake_end(&shake);
    for (size_t flip = 0; flip < total; flip += 41, tried++) {
        shake_over_wire(&shake, 4096, flip, 100);
        if (shake.results[0] == HANDSHAKE_DONE && shake.results[1] == HANDSHAKE_DONE) {
            assert_string_equal(handshake_peer(shake.ends[0]), "spiffe://shop.example/instance/db");
            assert_string_equal(handshake_peer(shake.ends[1]),
                                "spiffe://shop.example/instance/web");
        } else {
            failed++;
        }
        support_shake_end(&shake);
    }
    assert_true(failed + 4 >= tried);
}

/* ---- garbage ---- */

static void assert_server_refuses(const void *bytes, size_t size, const char *sentence)
{
    struct support_shake shake;
    int fds[2];

    local_pair(fds);
    support_shake_begin(&shake, fds, web, db, NULL);
    shake.results[0] = HANDSHAKE_FAILED; /* we speak in its place */
    assert_int_equal(send(fds[0], bytes, size, 0), size);
    shutdown(fds[0], SHUT_WR);
    support_shake_finish(&shake);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    if (sentence)
        assert_says(&shake.errs[1], sentence);
    else
        assert_true(strlen(shake.errs[1].text) > 0);
    assert_string_equal(handshake_peer(shake.ends[1]), "");
    support_shake_end(&shake);
}

static void refuses_other_protocols(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: db\r\n\r\n";
    static const char ssh[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
    static const char http2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    (void)state;
    assert_server_refuses(http, sizeof(http) - 1, "the peer does not speak TLS");
    assert_server_refuses(ssh, sizeof(ssh) - 1, "the peer does not speak TLS");
    assert_server_refuses(http2, sizeof(http2) - 1, "the peer does not speak TLS");
}

static void refuses_noise(void **state)
{
    uint8_t noise[600];

    (void)state;
    for (uint32_t seed = 0; seed < 300; seed++) {
        support_fill(noise, sizeof(noise), seed);
        if (seed % 3 > 0)
            memcpy(noise, "\x16\x03\x01\x01\x00", 5); /* the header of a ClientHello */
        if (seed % 3 > 1)
            memcpy(noise + 5, "\x01\x00\x00\xfc\x03\x03", 6);
        assert_server_refuses(noise, sizeof(noise), NULL);
    }
}

static void fails_as_client_of_another_protocol(void **state)
{
    static const char banner[] = "220 mail.example ESMTP\r\n";
    struct support_shake shake;
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, web, db, "db");
    shake.results[1] = HANDSHAKE_FAILED;
    assert_int_equal(send(fds[1], banner, sizeof(banner), 0), sizeof(banner));
    support_shake_finish(&shake);
    assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
    assert_says(&shake.errs[0], "the peer does not speak TLS");
    support_shake_end(&shake);
}

/* ---- refused identities ---- */

/* With TLS 1.3 a client is done before the server has judged its certificate. */
static void assert_refused_by_server(struct tls_context *client, struct tls_context *server,
                                     const char *sentence, const char *alert)
{
    struct support_shake shake;
    int fds[2];

    local_pair(fds);
    support_shake_begin(&shake, fds, client, server, NULL);
    support_shake_finish(&shake);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    assert_says(&shake.errs[1], sentence);
    if (MBEDTLS_VERSION_MAJOR < 3 || shake.results[0] == HANDSHAKE_FAILED) {
        assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
        assert_says(&shake.errs[0], alert);
    }
    support_shake_end(&shake);
}

static void assert_refused_by_client(struct tls_context *client, struct tls_context *server,
                                     const char *expected, const char *sentence, const char *alert)
{
    struct support_shake shake;
    int fds[2];

    local_pair(fds);
    support_shake_begin(&shake, fds, client, server, expected);
    support_shake_finish(&shake);
    assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
    assert_says(&shake.errs[0], sentence);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    assert_says(&shake.errs[1], alert);
    support_shake_end(&shake);
}

static void refuses_another_ca(void **state)
{
    struct tls_context *foreign = support_context("other-ca", "web");

    (void)state;
    assert_refused_by_client(foreign, db, "db",
                             "the peer's certificate is refused: it was not issued by a trusted CA",
                             "it does not trust the CA of our certificate (TLS alert 48)");
    tls_context_unref(foreign);
}

/* The server is judged first; a client that trusts it is judged next. */
static struct tls_context *trusting_both(const char *certificate, const char *key,
                                         const char *instance)
{
    assert_int_equal(system("cat ca/ca.pem other-ca/ca.pem > both.pem"), 0);
    return support_context_of(support_identity_of_files(certificate, key, "both.pem", instance));
}

static void refuses_a_client_of_another_ca(void **state)
{
    struct tls_context *foreign;

    (void)state;
    identity_free(support_identity("other-ca", "web"));
    foreign = trusting_both("web-other-ca/cert.pem", "web-other-ca/key.pem", "web");
    assert_refused_by_server(foreign, db,
                             "the peer's certificate is refused: it was not issued by a trusted CA",
                             "it does not trust the CA of our certificate (TLS alert 48)");
    tls_context_unref(foreign);
}

static void refuses_another_instance_than_expected(void **state)
{
    (void)state;
    assert_refused_by_client(web, db, "mysql", "the peer is instance db, expected mysql",
                             "the peer refused the handshake: ");
    assert_refused_by_client(web, db, "d", "the peer is instance db, expected d",
                             "the peer refused the handshake: ");
    assert_refused_by_client(web, db, "db2", "the peer is instance db, expected db2",
                             "the peer refused the handshake: ");
}

static void refuses_another_trust_domain(void **state)
{
    struct tls_context *tolerant;
    struct tls_context *foreign;

    (void)state;
    assert_int_equal(authority_init("third-ca", "other.example", NULL), 0);
    assert_int_equal(authority_issue("third-ca", "db", 3600, "third", NULL), 0);
    assert_int_equal(system("cat ca/ca.pem third-ca/ca.pem > bundle.pem"), 0);
    tolerant = support_context_of(
        support_identity_of_files("web-ca/cert.pem", "web-ca/key.pem", "bundle.pem", "web"));
    foreign = support_context_of(
        support_identity_of_files("third/cert.pem", "third/key.pem", "bundle.pem", "db"));
    assert_refused_by_client(tolerant, foreign, "db",
                             "the peer is of trust domain other.example, expected shop.example",
                             "the peer refused the handshake: ");
    assert_refused_by_server(foreign, tolerant,
                             "the peer is of trust domain other.example, expected shop.example",
                             "the peer refused the handshake: ");
    tls_context_unref(tolerant);
    tls_context_unref(foreign);
}

/* Signs a certificate of the CA for the key of `web`. */
static void sign_as(const char *instance, int64_t not_before, int64_t not_after, const char *path)
{
    mbedtls_x509_crt issuer;
    struct draft draft = {.id = {.trust_domain = SUPPORT_DOMAIN},
                          .subject = "CN=x",
                          .issuer = &issuer,
                          .not_before = not_before,
                          .not_after = not_after};
    struct {
        const char *path;
        mbedtls_pk_context key;
    } keys[] = {{.path = "web-ca/key.pem"}, {.path = "ca/ca-key.pem"}};
    char pem[DRAFT_PEM_SIZE];

    for (int i = 0; i < 2; i++) {
        char *text;
        size_t size;

        mbedtls_pk_init(&keys[i].key);
        assert_int_equal(file_read(keys[i].path, 10000, &text, &size, NULL), 0);
        assert_int_equal(crypto_parse_key(&keys[i].key, text, size + 1), 0);
        free(text);
    }
    mbedtls_x509_crt_init(&issuer);
    assert_int_equal(mbedtls_x509_crt_parse_file(&issuer, "ca/ca.pem"), 0);
    snprintf(draft.id.instance, sizeof(draft.id.instance), "%s", instance);
    draft.key = &keys[0].key;
    draft.issuer_key = &keys[1].key;
    assert_int_equal(draft_sign(&draft, pem, NULL), 0);
    assert_int_equal(file_write(path, pem, strlen(pem), 0644, false, NULL), 0);
    mbedtls_x509_crt_free(&issuer);
    mbedtls_pk_free(&keys[0].key);
    mbedtls_pk_free(&keys[1].key);
}

static struct tls_context *context_signed(int64_t not_before, int64_t not_after)
{
    sign_as("web", not_before, not_after, "signed.pem");
    return support_context_of(
        support_identity_of_files("signed.pem", "web-ca/key.pem", "ca/ca.pem", "web"));
}

static void refuses_an_expired_certificate(void **state)
{
    struct tls_context *late = context_signed(1577934245, 1577934246);

    (void)state;
    assert_refused_by_client(db, late, "web", "the peer's certificate is refused: it has expired",
                             "it finds our certificate expired (TLS alert 45)");
    assert_refused_by_server(late, db, "the peer's certificate is refused: it has expired",
                             "it finds our certificate expired (TLS alert 45)");
    tls_context_unref(late);
}

static void refuses_a_certificate_of_the_future(void **state)
{
    struct tls_context *early = context_signed(2493169445, 2493169446);

    (void)state;
    assert_refused_by_client(db, early, "web",
                             "the peer's certificate is refused: it is not valid yet",
                             "the peer refused the handshake: ");
    assert_refused_by_server(early, db, "the peer's certificate is refused: it is not valid yet",
                             "the peer refused the handshake: ");
    tls_context_unref(early);
}

static void refuses_the_ca_itself(void **state)
{
    struct tls_context *ca = support_context_of(
        support_identity_of_files("ca/ca.pem", "ca/ca-key.pem", "ca/ca.pem", "web"));
    struct support_shake shake;
    int fds[2];

    (void)state;
    assert_refused_by_server(ca, db, "the peer's certificate ", "the peer refused the handshake: ");
    local_pair(fds);
    support_shake_begin(&shake, fds, db, ca, NULL); /* mbedTLS does not even let it serve */
    support_shake_finish(&shake);
    assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
    support_shake_end(&shake);
    tls_context_unref(ca);
}

/* A bundle that holds the odd certificate itself lets it through as far as its chain goes. */
static void assert_odd_refused(const struct odd_name *names, const char *sentence)
{
    char pem[ODD_PEM_SIZE];
    char key_pem[ODD_PEM_SIZE];
    struct tls_context *odd;
    struct tls_context *fooled;

    assert_int_equal(odd_certificate(names, false, pem, key_pem), 0);
    assert_int_equal(file_write("odd.pem", pem, strlen(pem), 0644, false, NULL), 0);
    assert_int_equal(file_write("odd-key.pem", key_pem, strlen(key_pem), 0600, false, NULL), 0);
    assert_int_equal(system("cat ca/ca.pem odd.pem > odd-bundle.pem"), 0);
    odd = support_context_of(
        support_identity_of_files("odd.pem", "odd-key.pem", "odd-bundle.pem", "web"));
    fooled = support_context_of(
        support_identity_of_files("db-ca/cert.pem", "db-ca/key.pem", "odd-bundle.pem", "db"));
    assert_refused_by_server(odd, fooled, sentence, "the peer refused the handshake: ");
    assert_refused_by_client(fooled, odd, NULL, sentence, "the peer refused the handshake: ");
    tls_context_unref(odd);
    tls_context_unref(fooled);
}

static void refuses_odd_names(void **state)
{
    (void)state;
    assert_odd_refused((struct odd_name[]){{ODD_URI, "spiffe://shop.example/instance/db"},
                                           {ODD_URI, "spiffe://shop.example/instance/web"},
                                           {0, NULL}},
                       "its subject alternative name has 2 URIs, not exactly one");
    assert_odd_refused((struct odd_name[]){{ODD_DNS, "web.shop.example"}, {0, NULL}},
                       "its subject alternative name has 0 URIs, not exactly one");
    assert_odd_refused((struct odd_name[]){{ODD_URI, "spiffe://shop.example"}, {0, NULL}},
                       "the peer's certificate names the trust domain, not an instance");
    assert_odd_refused((struct odd_name[]){{ODD_URI, "https://shop.example/web"}, {0, NULL}},
                       "the peer's certificate is refused: ");
}

static void takes_the_name_of_the_proven_leaf_only(void **state)
{
    struct support_shake shake;
    struct tls_context *mallory;
    int fds[2];

    (void)state;
    identity_free(support_identity("ca", "mallory"));
    assert_int_equal(system("cat mallory-ca/cert.pem web-ca/cert.pem > chain.pem"), 0);
    mallory = support_context_of(
        support_identity_of_files("chain.pem", "mallory-ca/key.pem", "ca/ca.pem", "mallory"));
    local_pair(fds);
    support_shake_begin(&shake, fds, mallory, db, "db");
    support_shake_finish(&shake);
    assert_int_equal(shake.results[1], HANDSHAKE_DONE);
    assert_string_equal(handshake_peer(shake.ends[1]), "spiffe://shop.example/instance/mallory");
    support_shake_end(&shake);
    tls_context_unref(mallory);
}

static void refuses_a_certificate_without_its_key(void **state)
{
    struct support_shake shake;
    struct tls_context *thief = support_context_of(
        support_identity_of_files("web-ca/cert.pem", "db-ca/key.pem", "ca/ca.pem", "web"));
    int fds[2];

    (void)state;
    local_pair(fds);
    support_shake_begin(&shake, fds, thief, db, "db");
    support_shake_finish(&shake);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    support_shake_end(&shake);
    tls_context_unref(thief);
}

/* ---- clients that are not ours ---- */

struct stranger {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    int fd;
};

static int stranger_send(void *fd, const unsigned char *data, size_t size)
{
    ssize_t n = send(*(int *)fd, data, size, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_CONN_RESET;
    return (int)n;
}

static int stranger_receive(void *fd, unsigned char *out, size_t size)
{
    ssize_t n = recv(*(int *)fd, out, size, 0);

    if (n < 0)
        return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_CONN_RESET;
    return (int)n;
}

/* Trusts anybody; speaks no ALPN and shows no certificate. */
static void stranger_init(struct stranger *stranger)
{
    mbedtls_ssl_config_init(&stranger->config);
    mbedtls_ssl_init(&stranger->ssl);
    mbedtls_x509_crt_init(&stranger->certificate);
    mbedtls_pk_init(&stranger->key);
    assert_int_equal(mbedtls_ssl_config_defaults(&stranger->config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_authmode(&stranger->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&stranger->config, identity_random, NULL);
}

static void stranger_shows_certificate_of_web(struct stranger *stranger)
{
    struct identity *identity = support_identity("ca", "web");

    assert_int_equal(mbedtls_x509_crt_parse(&stranger->certificate,
                                            (unsigned char *)identity->certificate_pem,
                                            identity->certificate_size),
                     0);
    assert_int_equal(crypto_parse_key(&stranger->key, identity->key_pem, identity->key_size), 0);
    assert_int_equal(
        mbedtls_ssl_conf_own_cert(&stranger->config, &stranger->certificate, &stranger->key), 0);
    identity_free(identity);
}

/* Lets it try; the server must fail with this sentence, or with any for NULL. */
static void assert_stranger_refused(struct stranger *stranger, const char *sentence)
{
    struct support_shake shake;
    int fds[2];

    local_pair(fds);
    stranger->fd = fds[0];
    assert_int_equal(mbedtls_ssl_setup(&stranger->ssl, &stranger->config), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&stranger->ssl, NULL), 0);
    mbedtls_ssl_set_bio(&stranger->ssl, &stranger->fd, stranger_send, stranger_receive, NULL);
    support_shake_begin(&shake, fds, web, db, NULL);
    shake.results[0] = HANDSHAKE_FAILED; /* the stranger is in its place */
    for (int step = 0; step < 100 && shake.results[1] != HANDSHAKE_FAILED; step++) {
        int rc = mbedtls_ssl_handshake(&stranger->ssl);

        if (rc != 0 && rc != MBEDTLS_ERR_SSL_WANT_READ && rc != MBEDTLS_ERR_SSL_WANT_WRITE)
            shutdown(fds[0], SHUT_WR);
        support_shake_step(&shake);
    }
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    if (sentence)
        assert_says(&shake.errs[1], sentence);
    support_shake_end(&shake);
    mbedtls_ssl_free(&stranger->ssl);
    mbedtls_ssl_config_free(&stranger->config);
    mbedtls_x509_crt_free(&stranger->certificate);
    mbedtls_pk_free(&stranger->key);
}

static void refuses_a_client_without_certificate(void **state)
{
    struct stranger stranger;

    (void)state;
    stranger_init(&stranger);
    assert_stranger_refused(&stranger, "the peer presented no certificate");
}

static void refuses_a_client_that_speaks_no_h2(void **state)
{
    static const char *http[] = {"http/1.1", NULL};
    struct stranger stranger;

    (void)state;
    stranger_init(&stranger);
    stranger_shows_certificate_of_web(&stranger);
    assert_stranger_refused(&stranger, "the peer did not agree to speak h2 (ALPN)");
    stranger_init(&stranger);
    stranger_shows_certificate_of_web(&stranger);
    assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&stranger.config, http), 0);
    assert_stranger_refused(&stranger, NULL);
}

static void refuses_weaker_suites(void **state)
{
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, 0};
    struct stranger stranger;

    (void)state;
    stranger_init(&stranger);
    stranger_shows_certificate_of_web(&stranger);
    mbedtls_ssl_conf_ciphersuites(&stranger.config, suites);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_max_tls_version(&stranger.config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
    assert_stranger_refused(&stranger, NULL);
}

#if MBEDTLS_VERSION_MAJOR < 3
static void refuses_older_versions(void **state)
{
    struct stranger stranger;

    (void)state;
    stranger_init(&stranger);
    stranger_shows_certificate_of_web(&stranger);
    mbedtls_ssl_conf_max_version(&stranger.config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_2);
    assert_stranger_refused(&stranger, NULL);
}
#endif

/* ---- contexts ---- */

static void says_which_identity_cannot_be_parsed(void **state)
{
    struct identity *identity = support_identity("ca", "web");
    struct error err = ERROR_INIT;

    (void)state;
    memset(identity->certificate_pem, 'x', 10);
    assert_null(tls_context_new(identity, &err));
    assert_says(&err, "the identity of web cannot be parsed: ");
    identity_free(identity);
    tls_context_unref(NULL);
}

static void keeps_its_context(void **state)
{
    struct tls_context *own = support_context("ca", "web");
    struct support_shake shake;
    int fds[2];

    (void)state;
    local_pair(fds);
    assert_string_equal(tls_context_trust_domain(own), SUPPORT_DOMAIN);
    support_shake_begin(&shake, fds, own, db, "db");
    tls_context_unref(own); /* as when an identity is renewed in the middle of a handshake */
    support_shake_finish(&shake);
    assert_int_equal(shake.results[0], HANDSHAKE_DONE);
    assert_int_equal(shake.results[1], HANDSHAKE_DONE);
    support_shake_end(&shake);
}

int main(void)
{
    const struct CMUnitTest handshake[] = {
        cmocka_unit_test(shows_each_end_the_other),
        cmocka_unit_test(never_uses_a_key_twice),
        cmocka_unit_test(lets_any_instance_of_the_domain_in),
        cmocka_unit_test(may_be_given_up_at_any_step),
        cmocka_unit_test(leaves_what_is_behind_it_in_the_socket),
        cmocka_unit_test(comes_about_in_pieces_of_any_size),
        cmocka_unit_test(fails_when_the_other_end_goes_away),
        cmocka_unit_test(says_when_the_peer_never_said_a_word),
        cmocka_unit_test(does_not_come_about_when_a_byte_is_changed),
        cmocka_unit_test(refuses_other_protocols),
        cmocka_unit_test(refuses_noise),
        cmocka_unit_test(fails_as_client_of_another_protocol),
        cmocka_unit_test(refuses_another_ca),
        cmocka_unit_test(refuses_a_client_of_another_ca),
        cmocka_unit_test(refuses_another_instance_than_expected),
        cmocka_unit_test(refuses_another_trust_domain),
        cmocka_unit_test(refuses_an_expired_certificate),
        cmocka_unit_test(refuses_a_certificate_of_the_future),
        cmocka_unit_test(refuses_the_ca_itself),
        cmocka_unit_test(refuses_odd_names),
        cmocka_unit_test(takes_the_name_of_the_proven_leaf_only),
        cmocka_unit_test(refuses_a_certificate_without_its_key),
        cmocka_unit_test(refuses_a_client_without_certificate),
        cmocka_unit_test(refuses_a_client_that_speaks_no_h2),
        cmocka_unit_test(refuses_weaker_suites),
#if MBEDTLS_VERSION_MAJOR < 3
        cmocka_unit_test(refuses_older_versions),
#endif
        cmocka_unit_test(says_which_identity_cannot_be_parsed),
        cmocka_unit_test(keeps_its_context),
    };

    return cmocka_run_group_tests(handshake, make_contexts, free_contexts);
}
