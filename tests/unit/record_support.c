#include "record_support.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/version.h>

#include "support.h"
#include "tls_support.h"

/* What a side may have lying at the most. */
#define ARRIVED_MAX ((size_t)2 << 20)
#define PATIENCE_MILLISECONDS 20000

const struct setting settings[SETTINGS] = {
    {"TLS 1.2 AES-128-GCM", TLS_VERSION_12, TLS_AES_128_GCM},
    {"TLS 1.2 AES-256-GCM", TLS_VERSION_12, TLS_AES_256_GCM},
    {"TLS 1.2 ChaCha20-Poly1305", TLS_VERSION_12, TLS_CHACHA20_POLY1305},
    {"TLS 1.3 AES-128-GCM", TLS_VERSION_13, TLS_AES_128_GCM},
    {"TLS 1.3 AES-256-GCM", TLS_VERSION_13, TLS_AES_256_GCM},
    {"TLS 1.3 ChaCha20-Poly1305", TLS_VERSION_13, TLS_CHACHA20_POLY1305},
};

/* ---- sessions ---- */

static bool mbedtls_speaks(const struct setting *setting)
{
    return setting->version == TLS_VERSION_12 || MBEDTLS_VERSION_MAJOR >= 3;
}

static const int *suite_of(const struct setting *setting)
{
    static const int suites_12[][2] = {
        [TLS_AES_128_GCM] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0},
        [TLS_AES_256_GCM] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 0},
        [TLS_CHACHA20_POLY1305] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 0},
    };
#if MBEDTLS_VERSION_MAJOR >= 3
    static const int suites_13[][2] = {
        [TLS_AES_128_GCM] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, 0},
        [TLS_AES_256_GCM] = {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, 0},
        [TLS_CHACHA20_POLY1305] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, 0},
    };

    if (setting->version == TLS_VERSION_13)
        return suites_13[setting->cipher];
#endif
    return suites_12[setting->cipher];
}

/* A context that offers one suite: what the program's own contexts never do. */
static struct tls_context *context_for(const struct setting *setting, const char *instance)
{
    struct tls_context *context = support_context("ca", instance);

    for (int i = 0; i < 2; i++) {
        mbedtls_ssl_config *config = (mbedtls_ssl_config *)(uintptr_t)tls_context_config(
            context, i == 0 ? TLS_CLIENT : TLS_SERVER);

        mbedtls_ssl_conf_ciphersuites(config, suite_of(setting));
#if MBEDTLS_VERSION_MAJOR >= 3
        if (setting->version == TLS_VERSION_12)
            mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
    }
    return context;
}

static void shake(const struct setting *setting, struct tls_session sessions[2], int fds[2])
{
    struct tls_context *client = context_for(setting, "web");
    struct tls_context *server = context_for(setting, "db");

    support_sessions(client, server, sessions, fds);
    tls_context_unref(client);
    tls_context_unref(server);
}

/* For engines that need nothing but keys. */
static void make_up(const struct setting *setting, struct tls_session sessions[2], int fds[2])
{
    bool long_hash = setting->cipher == TLS_AES_256_GCM;
    struct tls_secrets secrets = {
        .prf = long_hash ? MBEDTLS_SSL_TLS_PRF_SHA384 : MBEDTLS_SSL_TLS_PRF_SHA256,
        .length = long_hash ? 48 : 32,
    };

    support_fill(secrets.master, sizeof(secrets.master), 1);
    support_fill(secrets.client_random, sizeof(secrets.client_random), 2);
    support_fill(secrets.server_random, sizeof(secrets.server_random), 3);
    support_fill(secrets.client, secrets.length, 4);
    support_fill(secrets.server, secrets.length, 5);
    support_tcp_pair(fds);
    memset(sessions, 0, 2 * sizeof(sessions[0]));
    for (int i = 0; i < 2; i++) {
        sessions[i].is_client = i == 0;
        sessions[i].keys.version = setting->version;
        sessions[i].keys.cipher = setting->cipher;
        snprintf(sessions[i].version, sizeof(sessions[i].version), "%s",
                 setting->version == TLS_VERSION_13 ? "TLSv1.3" : "TLSv1.2");
        snprintf(sessions[i].cipher, sizeof(sessions[i].cipher), "%s", setting->name);
        assert_int_equal(tls_keys_derive(&sessions[i].keys, &secrets, i == 0, NULL), 0);
    }
}

bool sides_make(struct side sides[2], const struct setting *setting,
                const struct record_engine *const engines[2])
{
    struct tls_session sessions[2];
    const char *missing = NULL;
    int fds[2];

    if (mbedtls_speaks(setting))
        shake(setting, sessions, fds);
    else
        make_up(setting, sessions, fds);
    for (int i = 0; i < 2; i++) {
        if (engines[i] && !engines[i]->usable(&sessions[i]))
            missing = engines[i]->name;
    }
    for (int i = 0; i < 2; i++) {
        struct side *side = &sides[i];

        memset(side, 0, sizeof(*side));
        side->fd = fds[i];
        side->arrived = malloc(ARRIVED_MAX);
        assert_non_null(side->arrived);
        assert_int_equal(sessions[i].keys.version, setting->version);
        assert_int_equal(sessions[i].keys.cipher, setting->cipher);
        side->forger.keys = sessions[i].keys;
        side->forger.key = sessions[i].keys.send;
        if (engines[i] && !missing) {
            side->record = record_new(engines[i], &sessions[i], fds[i], &side->err);
            if (!side->record)
                fail_msg("%s", side->err.text);
        } else {
            tls_session_clear(&sessions[i]);
        }
    }
    if (missing) {
        print_message("skipped: the engine %s does not serve %s here\n", missing, setting->name);
        sides_free(sides);
    }
    return !missing;
}

void sides_free(struct side sides[2])
{
    for (int i = 0; i < 2; i++) {
        record_free(sides[i].record);
        close(sides[i].fd);
        free(sides[i].arrived);
    }
}

/* ---- records ---- */

static uint8_t *copy_of(const struct iovec *wire, size_t *size)
{
    uint8_t *copy = malloc(wire->iov_len + 1);

    assert_non_null(copy);
    memcpy(copy, wire->iov_base, wire->iov_len);
    *size = wire->iov_len;
    return copy;
}

uint8_t *side_seal(struct side *side, const void *plain, size_t length, size_t *size)
{
    uint8_t *buffer = malloc(RECORD_HEADROOM + length + RECORD_TAILROOM);
    struct error err = ERROR_INIT;
    struct iovec wire;
    uint8_t *copy;

    assert_non_null(buffer);
    if (length > 0)
        memcpy(buffer + RECORD_HEADROOM, plain, length);
    if (side->record->engine->seal(side->record, buffer + RECORD_HEADROOM, length, &wire, &err) !=
        0)
        fail_msg("%s", err.text);
    assert_in_range((uintptr_t)wire.iov_base, (uintptr_t)buffer,
                    (uintptr_t)buffer + RECORD_HEADROOM);
    copy = copy_of(&wire, size);
    free(buffer); /* an engine that still writes into it is found by AddressSanitizer */
    return copy;
}

uint8_t *side_farewell(struct side *side, size_t *size)
{
    uint8_t *buffer = malloc(RECORD_BUFFER_SIZE);
    struct iovec wire;
    uint8_t *copy;

    assert_non_null(buffer);
    side->record->engine->farewell(side->record, buffer, &wire);
    copy = copy_of(&wire, size);
    free(buffer);
    return copy;
}

/* Takes what the socket has. */
static void take(struct side *side)
{
    ssize_t n =
        side->record->engine->receive(side->record, side->fd, side->arrived + side->arrived_size,
                                      ARRIVED_MAX - side->arrived_size);

    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    else
        side->arrived_size += (size_t)n;
}

void side_arrive(struct side *side, const struct side *from, const void *wire, size_t size)
{
    size_t wanted = side->arrived_size + size;
    struct pollfd readable = {.fd = side->fd, .events = POLLIN};
    size_t sent = 0;

    while (side->arrived_size < wanted) {
        ssize_t n = send(from->fd, (const uint8_t *)wire + sent, size - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        if (poll(&readable, 1, PATIENCE_MILLISECONDS) != 1)
            fail_msg("bytes were lost on their way");
        take(side);
    }
}

enum record_result side_open(struct side *side, uint8_t *plain, size_t *length)
{
    size_t taken = 0;
    uint8_t *at = NULL;
    /* Of the exact size, so that AddressSanitizer sees every look behind it. */
    uint8_t *copy = malloc(side->arrived_size + 1);
    uint8_t *begin;
    enum record_result result;

    assert_non_null(copy);
    begin = copy + 1; /* records lie at odd places, too */
    memcpy(begin, side->arrived, side->arrived_size);
    side->err.text[0] = '\0';
    *length = 0;
    result = side->record->engine->open(side->record, begin, side->arrived_size, &taken, &at,
                                        length, &side->err);
    if (result == RECORD_OPENED) {
        assert_in_range(taken, 1, side->arrived_size);
        assert_in_range(*length, 0, RECORD_PLAINTEXT_MAX);
        if (*length > 0) {
            assert_in_range((uintptr_t)at, (uintptr_t)begin, (uintptr_t)begin + taken - *length);
            memcpy(plain, at, *length);
        }
        side->arrived_size -= taken;
        memmove(side->arrived, side->arrived + taken, side->arrived_size);
    } else if (result == RECORD_FAILED) {
        assert_true(strlen(side->err.text) > 0);
    }
    free(copy);
    return result;
}

void side_expect(struct side *side, const void *plain, size_t length)
{
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    size_t opened_length;
    enum record_result result = side_open(side, opened, &opened_length);

    if (result != RECORD_OPENED)
        fail_msg("result %d: %s", (int)result, side->err.text);
    assert_int_equal(opened_length, length);
    if (length > 0 && memcmp(opened, plain, length) != 0)
        fail_msg("%zu bytes came out otherwise than they went in", length);
}

void side_expect_failure(struct side *side, const char *part)
{
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    size_t opened_length;

    assert_int_equal(side_open(side, opened, &opened_length), RECORD_FAILED);
    if (part && !strstr(side->err.text, part))
        assert_string_equal(side->err.text, part);
}
