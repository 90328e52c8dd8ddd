#include "tls_support.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/identity/authority.h"
#include "support.h"

#define STEPS_MAX 2000

struct identity *support_identity(const char *ca, const char *instance)
{
    struct error err = ERROR_INIT;
    char *folder = memory_printf("%s-%s", instance, ca);
    char *certificate = file_path(folder, "cert.pem");
    char *key = file_path(folder, "key.pem");
    char *trusted = file_path(folder, "ca.pem");
    struct identity *identity;

    if (access(ca, F_OK) != 0 && authority_init(ca, SUPPORT_DOMAIN, &err) != 0)
        fail_msg("%s", err.text);
    if (access(folder, F_OK) != 0 && authority_issue(ca, instance, 3600, folder, &err) != 0)
        fail_msg("%s", err.text);
    identity = identity_load(certificate, key, trusted, SUPPORT_DOMAIN, instance, &err);
    if (!identity)
        fail_msg("%s", err.text);
    free(folder);
    free(certificate);
    free(key);
    free(trusted);
    return identity;
}

static void read_pem(const char *path, char **pem, size_t *size)
{
    assert_int_equal(file_read(path, 100000, pem, size, NULL), 0);
    ++*size; /* the zero byte counts */
}

struct identity *support_identity_of_files(const char *certificate, const char *key, const char *ca,
                                           const char *instance)
{
    struct identity *identity = memory_zalloc(sizeof(*identity));

    read_pem(certificate, &identity->certificate_pem, &identity->certificate_size);
    read_pem(key, &identity->key_pem, &identity->key_size);
    read_pem(ca, &identity->ca_pem, &identity->ca_size);
    snprintf(identity->id.trust_domain, sizeof(identity->id.trust_domain), "%s", SUPPORT_DOMAIN);
    snprintf(identity->id.instance, sizeof(identity->id.instance), "%s", instance);
    return identity;
}

struct tls_context *support_context_of(struct identity *identity)
{
    struct error err = ERROR_INIT;
    struct tls_context *context = tls_context_new(identity, &err);

    if (!context)
        fail_msg("%s", err.text);
    identity_free(identity);
    return context;
}

struct tls_context *support_context(const char *ca, const char *instance)
{
    return support_context_of(support_identity(ca, instance));
}

/* ---- two ends ---- */

void support_shake_begin(struct support_shake *shake, const int fds[2], struct tls_context *client,
                         struct tls_context *server, const char *expected)
{
    const struct tls_expected server_name = tls_expect(expected);
    const struct tls_expected anybody = tls_expect(NULL);

    memset(shake, 0, sizeof(*shake));
    memcpy(shake->fds, fds, sizeof(shake->fds));
    shake->ends[0] = handshake_new(client, fds[0], true, &server_name, NULL);
    shake->ends[1] = handshake_new(server, fds[1], false, &anybody, NULL);
    assert_non_null(shake->ends[0]);
    assert_non_null(shake->ends[1]);
    shake->results[0] = shake->results[1] = HANDSHAKE_WRITE;
}

static bool is_over(enum handshake_result result)
{
    return result == HANDSHAKE_DONE || result == HANDSHAKE_FAILED;
}

void support_shake_step(struct support_shake *shake)
{
    for (int i = 0; i < 2; i++) {
        if (is_over(shake->results[i]))
            continue;
        shake->results[i] = handshake_step(shake->ends[i], &shake->errs[i]);
        if (shake->results[i] == HANDSHAKE_FAILED)
            shutdown(shake->fds[i], SHUT_WR);
    }
}

void support_shake_finish(struct support_shake *shake)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        if (is_over(shake->results[0]) && is_over(shake->results[1]))
            return;
        support_shake_step(shake);
    }
    fail_msg("the handshake came to no end");
}

void support_shake_end(struct support_shake *shake)
{
    for (int i = 0; i < 2; i++) {
        handshake_free(shake->ends[i]);
        close(shake->fds[i]);
    }
}

void support_sessions(struct tls_context *client, struct tls_context *server,
                      struct tls_session sessions[2], int fds[2])
{
    struct support_shake shake;
    struct error err = ERROR_INIT;

    support_tcp_pair(fds);
    support_shake_begin(&shake, fds, client, server, NULL);
    support_shake_finish(&shake);
    for (int i = 0; i < 2; i++) {
        if (shake.results[i] != HANDSHAKE_DONE)
            fail_msg("%s", shake.errs[i].text);
        if (handshake_finish(shake.ends[i], &sessions[i], &err) != 0)
            fail_msg("%s", err.text);
        handshake_free(shake.ends[i]);
    }
}
