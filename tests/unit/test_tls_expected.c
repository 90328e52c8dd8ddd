/* Whom each side of a handshake expects, against whom it meets: everybody against everybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "appnet/base/memory.h"
#include "appnet/identity/authority.h"
#include "appnet/tls/handshake.h"
#include "support.h"
#include "tls_support.h"

/* ---- who there is ---- */

enum { WEB, DB, REGISTRY, NOBODY, EVERYBODY };

static const char *const names[] = {"web", "db", "the registry", "nobody"};

static struct tls_context *contexts[EVERYBODY];

static struct authority *load(const char *folder)
{
    struct error err = ERROR_INIT;
    struct authority *authority = authority_load(folder, NULL, &err);

    if (!authority) {
        fail_msg("%s", err.text);
    }
    return authority;
}

static struct identity *registry_of(const char *ca)
{
    static const char *const hosts[] = {"localhost"};
    struct authority *authority = load(ca);
    struct identity *identity = authority_registry_identity(authority, hosts, 1, 3600, NULL);

    assert_non_null(identity);
    authority_free(authority);
    return identity;
}

/* Knows nothing but the hash of the CA. */
static struct tls_context *nobody_of(const char *ca)
{
    struct authority *authority = load(ca);
    struct tls_context *context =
        support_context_of(identity_pinned(SUPPORT_DOMAIN, authority_hash(authority)));

    authority_free(authority);
    return context;
}

static int make_contexts(void **state)
{
    if (support_enter_folder(state) != 0) {
        return -1;
    }
    contexts[WEB] = support_context("ca", "web");
    contexts[DB] = support_context("ca", "db");
    contexts[REGISTRY] = support_context_of(registry_of("ca"));
    contexts[NOBODY] = nobody_of("ca");
    return 0;
}

static int free_contexts(void **state)
{
    for (unsigned i = 0; i < EVERYBODY; i++) {
        tls_context_unref(contexts[i]);
    }
    return support_leave_folder(state);
}

/* ---- a handshake ---- */

static void shake_hands(struct support_shake *shake, struct tls_context *client,
                        const struct tls_expected *server_expected, struct tls_context *server,
                        const struct tls_expected *client_expected)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    memset(shake, 0, sizeof *shake);
    memcpy(shake->fds, fds, sizeof fds);
    shake->ends[0] = handshake_new(client, fds[0], true, server_expected, NULL);
    shake->ends[1] = handshake_new(server, fds[1], false, client_expected, NULL);
    assert_non_null(shake->ends[0]);
    assert_non_null(shake->ends[1]);
    shake->results[0] = shake->results[1] = HANDSHAKE_WRITE;
    support_shake_finish(shake);
}

static bool is_done(const struct support_shake *shake)
{
    return shake->results[0] == HANDSHAKE_DONE && shake->results[1] == HANDSHAKE_DONE;
}

/* ---- the table ---- */

static const struct tls_expected expectations[] = {
    {.who = TLS_ANY_INSTANCE},
    {.who = TLS_INSTANCE, .instance = "web"},
    {.who = TLS_INSTANCE, .instance = "db"},
    {.who = TLS_REGISTRY},
    {.who = TLS_ANYBODY}, /* of servers only */
};

#define EXPECTATIONS (sizeof expectations / sizeof expectations[0])

static const bool fulfilled[EXPECTATIONS][EVERYBODY] = {
    [0] = {[WEB] = true, [DB] = true},
    [1] = {[WEB] = true},
    [2] = {[DB] = true},
    [3] = {[REGISTRY] = true},
    [4] = {[WEB] = true, [DB] = true, [NOBODY] = true},
};

static void assert_shown(struct support_shake *shake, int end, int who)
{
    struct tls_session session;

    assert_int_equal(handshake_finish(shake->ends[end], &session, NULL), 0);
    assert_int_equal(session.peer.is_registry, who == REGISTRY);
    assert_string_equal(session.peer.instance, who == WEB || who == DB ? names[who] : "");
    assert_string_equal(session.peer.trust_domain, who == NOBODY ? "" : SUPPORT_DOMAIN);
    tls_session_clear(&session);
}

/* Who knows only a hash must be sent the CA, as the registry does. */
static bool trusts(int client, int server)
{
    return client != NOBODY || server == REGISTRY;
}

/* Both, or neither; the one whose expectation is not fulfilled never takes the other for somebody.
 */
static void assert_met(int client, unsigned server_expected, int server, unsigned client_expected)
{
    bool server_fits = fulfilled[server_expected][server] && trusts(client, server);
    bool client_fits = fulfilled[client_expected][client];
    struct support_shake shake;

    shake_hands(&shake, contexts[client], &expectations[server_expected], contexts[server],
                &expectations[client_expected]);
    if (is_done(&shake) != (server_fits && client_fits) ||
        (!server_fits && shake.results[0] != HANDSHAKE_FAILED) ||
        (!(server_fits && client_fits) && shake.results[1] != HANDSHAKE_FAILED)) {
        fail_msg("%s, expecting %u, and %s, expecting %u: \"%s\", \"%s\"", names[client],
                 server_expected, names[server], client_expected, shake.errs[0].text,
                 shake.errs[1].text);
    }
    if (is_done(&shake)) {
        assert_shown(&shake, 0, server);
        assert_shown(&shake, 1, client);
    }
    support_shake_end(&shake);
}

static void meets_only_whom_it_expects(void **state)
{
    (void)state;
    for (int client = 0; client < EVERYBODY; client++) {
        for (int server = 0; server < NOBODY; server++) {
            for (unsigned a = 0; a + 1 < EXPECTATIONS; a++) {
                for (unsigned b = 0; b < EXPECTATIONS; b++) {
                    assert_met(client, a, server, b);
                }
            }
        }
    }
}

static void says_whom_it_met_instead(void **state)
{
    static const struct {
        int client;
        unsigned server_expected;
        int server;
        unsigned client_expected;
        int end;
        const char *sentence;
    } cases[] = {
        {WEB, 3, DB, 0, 0, "the peer is instance db, expected the registry"},
        {WEB, 0, REGISTRY, 4, 0, "the peer is the registry, expected an instance"},
        {WEB, 1, DB, 0, 0, "the peer is instance db, expected web"},
        {WEB, 2, DB, 2, 1, "the peer is instance web, expected db"},
        {REGISTRY, 2, DB, 4, 1, "the peer is the registry, expected an instance"},
        {NOBODY, 3, REGISTRY, 0, 1, "the peer presented no certificate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct support_shake shake;
        shake_hands(&shake, contexts[cases[i].client], &expectations[cases[i].server_expected],
                    contexts[cases[i].server], &expectations[cases[i].client_expected]);
        assert_int_equal(shake.results[cases[i].end], HANDSHAKE_FAILED);
        assert_string_equal(shake.errs[cases[i].end].text, cases[i].sentence);
        support_shake_end(&shake);
    }
}

static void makes_expectations_of_names(void **state)
{
    struct tls_expected expected = tls_expect("db");

    (void)state;
    assert_int_equal(expected.who, TLS_INSTANCE);
    assert_string_equal(expected.instance, "db");
    expected = tls_expect(NULL);
    assert_int_equal(expected.who, TLS_ANY_INSTANCE);
}

/* ---- who shows nothing, and who shows something wrong ---- */

/* Where a certificate is not asked of everybody, a bad one is still worse than none. */
static void anybody_is_not_somebody_elses(void **state)
{
    struct tls_context *foreign;
    struct support_shake shake;

    (void)state;
    identity_free(support_identity("other-ca", "web"));
    foreign = support_context_of(support_identity_of_files(
        "web-other-ca/cert.pem", "web-other-ca/key.pem", "ca/ca.pem", "web"));
    shake_hands(&shake, foreign, &expectations[3], contexts[REGISTRY], &expectations[4]);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    assert_non_null(strstr(shake.errs[1].text, "it was not issued by a trusted CA"));
    assert_string_equal(handshake_peer(shake.ends[1]), "");
    support_shake_end(&shake);
    tls_context_unref(foreign);
}

/* ---- the pin ---- */

static void assert_not_trusted(struct tls_context *client, struct tls_context *server)
{
    struct support_shake shake;

    shake_hands(&shake, client, &expectations[3], server, &expectations[4]);
    assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
    assert_int_equal(shake.results[1], HANDSHAKE_FAILED);
    assert_non_null(strstr(shake.errs[0].text, "it was not issued by a trusted CA"));
    assert_string_equal(handshake_peer(shake.ends[0]), "");
    support_shake_end(&shake);
}

static void a_pin_is_one_cas(void **state)
{
    struct tls_context *foreign;
    struct tls_context *registry;

    (void)state;
    identity_free(support_identity("other-ca", "web"));
    foreign = nobody_of("other-ca");
    registry = support_context_of(registry_of("other-ca"));
    assert_not_trusted(foreign, contexts[REGISTRY]);
    assert_not_trusted(contexts[NOBODY], registry);
    tls_context_unref(foreign);
    tls_context_unref(registry);
}

/* Its certificate is public: to send it along, behind what another CA has issued under the same
 * name, shows nothing. */
static void the_pinned_ca_must_have_issued_it(void **state)
{
    struct authority *authority;
    struct identity *identity;
    struct tls_context *forger;
    char *end;

    (void)state;
    identity_free(support_identity("other-ca", "web"));
    authority = load("ca");
    identity = registry_of("other-ca");
    /* its leaf, and the other's CA */
    end = strstr(identity->certificate_pem, "-----END CERTIFICATE-----\n");
    assert_non_null(end);
    end[strlen("-----END CERTIFICATE-----\n")] = '\0';
    end = memory_printf("%s%s", identity->certificate_pem, authority_bundle(authority));
    free(identity->certificate_pem);
    identity->certificate_pem = end;
    identity->certificate_size = strlen(end) + 1;
    forger = support_context_of(identity);
    assert_not_trusted(contexts[NOBODY], forger);
    /* nor does it when both are sent */
    identity = registry_of("other-ca");
    end = memory_printf("%s%s", identity->certificate_pem, authority_bundle(authority));
    free(identity->certificate_pem);
    identity->certificate_pem = end;
    identity->certificate_size = strlen(end) + 1;
    tls_context_unref(forger);
    forger = support_context_of(identity);
    assert_not_trusted(contexts[NOBODY], forger);
    tls_context_unref(forger);
    authority_free(authority);
}

/* The hash may be that of a leaf, which issues nothing. */
static void a_pinned_leaf_is_no_ca(void **state)
{
    struct identity *web = support_identity("ca", "web");
    struct tls_context *client;
    struct support_shake shake;
    char hash[CERTIFICATE_HASH_SIZE];
    mbedtls_x509_crt certificate;

    (void)state;
    mbedtls_x509_crt_init(&certificate);
    assert_int_equal(mbedtls_x509_crt_parse(&certificate, (const uint8_t *)web->certificate_pem,
                                            web->certificate_size),
                     0);
    certificate_hash(&certificate, hash);
    mbedtls_x509_crt_free(&certificate);
    identity_free(web);
    client = support_context_of(identity_pinned(SUPPORT_DOMAIN, hash));
    shake_hands(&shake, client, &expectations[1], contexts[WEB], &expectations[4]);
    assert_int_equal(shake.results[0], HANDSHAKE_FAILED);
    support_shake_end(&shake);
    tls_context_unref(client);
}

int main(void)
{
    const struct CMUnitTest tls_expected[] = {
        cmocka_unit_test(meets_only_whom_it_expects),
        cmocka_unit_test(says_whom_it_met_instead),
        cmocka_unit_test(makes_expectations_of_names),
        cmocka_unit_test(anybody_is_not_somebody_elses),
        cmocka_unit_test(a_pin_is_one_cas),
        cmocka_unit_test(the_pinned_ca_must_have_issued_it),
        cmocka_unit_test(a_pinned_leaf_is_no_ca),
    };

    return cmocka_run_group_tests(tls_expected, make_contexts, free_contexts);
}
