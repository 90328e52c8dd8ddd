/* The engine for machines whose kernel has no kTLS: libgcrypt seals and opens in place, in user
 * space. RFC 5246 with RFC 5288 and RFC 7905 for TLS 1.2, RFC 8446 section 5 for TLS 1.3. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gcrypt.h>

#include "after.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/tls/alert.h"
#include "record_engines.h"

#define TAG_SIZE 16
#define EXPLICIT_NONCE_SIZE 8
#define AAD_MAX 13

struct gcrypt_record {
    struct record record;
    struct tls_keys keys;
    gcry_cipher_hd_t send, receive;
    struct after after;
    bool update_due;      /* a KeyUpdate of ours is due */
    int alert;            /* what to say at the end; 0: close_notify */
    size_t explicit_size; /* of the nonce that travels with each record */
};

static void start_library(void)
{
    /* Whoever else uses the library in this process may have started it. */
    if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        gcry_check_version(NULL);
        gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
}

static bool usable(const struct tls_session *session)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)session; /* every cipher of ours */
    pthread_once(&once, start_library);
    return true;
}

static int open_cipher(gcry_cipher_hd_t *out, const struct tls_keys *keys,
                       const struct tls_key *key, struct error *err)
{
    static const struct {
        int algorithm, mode;
    } ciphers[] = {
        [TLS_AES_128_GCM] = {GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM},
        [TLS_AES_256_GCM] = {GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM},
        [TLS_CHACHA20_POLY1305] = {GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_POLY1305},
    };
    gcry_error_t rc =
        gcry_cipher_open(out, ciphers[keys->cipher].algorithm, ciphers[keys->cipher].mode, 0);

    if (rc == 0) {
        rc = gcry_cipher_setkey(*out, key->key, tls_key_length(keys->cipher));
    }
    return rc == 0 ? 0 : error_set(err, "libgcrypt: %s", gcry_strerror(rc));
}

static void destroy(struct record *base)
{
    struct gcrypt_record *record = (struct gcrypt_record *)base;

    gcry_cipher_close(record->send);
    gcry_cipher_close(record->receive);
    secret_wipe(&record->keys, sizeof record->keys);
    free(record);
}

static struct record *create(struct tls_session *session, int fd, struct error *err)
{
    struct gcrypt_record *record = memory_zalloc(sizeof *record);

    (void)fd;
    record->record.engine = &record_engine_gcrypt;
    record->keys = session->keys;
    record->explicit_size =
        record->keys.version == TLS_VERSION_12 && record->keys.cipher != TLS_CHACHA20_POLY1305
            ? EXPLICIT_NONCE_SIZE
            : 0;
    if (open_cipher(&record->send, &record->keys, &record->keys.send, err) != 0 ||
        open_cipher(&record->receive, &record->keys, &record->keys.receive, err) != 0) {
        destroy(&record->record);
        return NULL;
    }
    return &record->record;
}

static ssize_t receive(struct record *base, int fd, void *buffer, size_t size)
{
    (void)base;
    return recv(fd, buffer, size, 0);
}

/* ---- one record ---- */

static void put_64(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static void put_header(uint8_t *out, uint8_t type, size_t length)
{
    out[0] = type;
    out[1] = 3;
    out[2] = 3;
    out[3] = (uint8_t)(length >> 8);
    out[4] = (uint8_t)length;
}

/* The sequence number under the fixed IV (RFC 8446, 5.3; RFC 7905), or behind the four fixed bytes
 * (RFC 5288). */
static void make_nonce(const struct gcrypt_record *record, const struct tls_key *key,
                       const uint8_t *explicit_nonce, uint8_t out[TLS_IV_SIZE])
{
    memcpy(out, key->iv, TLS_IV_SIZE);
    if (record->explicit_size > 0) {
        memcpy(out + 4, explicit_nonce, EXPLICIT_NONCE_SIZE);
    } else {
        uint8_t sequence[8];
        put_64(sequence, key->sequence);
        for (int i = 0; i < 8; i++) {
            out[4 + i] ^= sequence[i];
        }
    }
}

/* What is authenticated besides the content; returns its length. `length` is that of the plaintext
 * in TLS 1.2, of the ciphertext in 1.3. */
static size_t make_aad(const struct gcrypt_record *record, const struct tls_key *key, uint8_t type,
                       size_t length, uint8_t out[AAD_MAX])
{
    if (record->keys.version == TLS_VERSION_13) {
        put_header(out, TLS_CONTENT_DATA, length);
        return RECORD_HEADER_SIZE;
    }
    put_64(out, key->sequence);
    put_header(out + 8, type, length);
    return AAD_MAX;
}

static gcry_error_t begin(gcry_cipher_hd_t cipher, const uint8_t *nonce, const uint8_t *aad,
                          size_t aad_length)
{
    gcry_error_t rc = gcry_cipher_setiv(cipher, nonce, TLS_IV_SIZE);

    if (rc == 0) {
        rc = gcry_cipher_authenticate(cipher, aad, aad_length);
    }
    return rc == 0 ? gcry_cipher_final(cipher) : rc;
}

static int seal_typed(struct gcrypt_record *record, uint8_t type, uint8_t *plain, size_t length,
                      struct iovec *wire, struct error *err)
{
    struct tls_key *key = &record->keys.send;
    uint8_t *header = plain - record->explicit_size - RECORD_HEADER_SIZE;
    uint8_t nonce[TLS_IV_SIZE];
    uint8_t aad[AAD_MAX];
    size_t content = length;
    size_t aad_length;
    gcry_error_t rc;

    if (record->keys.version == TLS_VERSION_13) {
        plain[content++] = type;
        type = TLS_CONTENT_DATA;
        aad_length = make_aad(record, key, type, content + TAG_SIZE, aad);
    } else {
        aad_length = make_aad(record, key, type, content, aad);
    }
    put_header(header, type, record->explicit_size + content + TAG_SIZE);
    if (record->explicit_size > 0) {
        put_64(plain - EXPLICIT_NONCE_SIZE, key->sequence);
    }
    make_nonce(record, key, plain - EXPLICIT_NONCE_SIZE, nonce);
    rc = begin(record->send, nonce, aad, aad_length);
    if (rc == 0) {
        rc = gcry_cipher_encrypt(record->send, plain, content, NULL, 0);
    }
    if (rc == 0) {
        rc = gcry_cipher_gettag(record->send, plain + content, TAG_SIZE);
    }
    if (rc != 0) {
        return error_set(err, "a record cannot be sealed: %s", gcry_strerror(rc));
    }
    key->sequence++;
    wire->iov_base = header;
    wire->iov_len = RECORD_HEADER_SIZE + record->explicit_size + content + TAG_SIZE;
    return 0;
}

static int seal(struct record *base, uint8_t *plain, size_t length, struct iovec *wire,
                struct error *err)
{
    return seal_typed((struct gcrypt_record *)base, TLS_CONTENT_DATA, plain, length, wire, err);
}

static enum record_result fail(struct gcrypt_record *record, int alert, struct error *err,
                               const char *what)
{
    record->alert = alert;
    error_set(err, "the peer sent %s", what);
    return RECORD_FAILED;
}

/* Opens the `size` bytes behind the header; leaves the content and its type. */
static enum record_result unseal(struct gcrypt_record *record, uint8_t *body, size_t size,
                                 uint8_t *type, uint8_t **content, size_t *length,
                                 struct error *err)
{
    struct tls_key *key = &record->keys.receive;
    uint8_t nonce[TLS_IV_SIZE];
    uint8_t aad[AAD_MAX];
    size_t aad_length;
    gcry_error_t rc;

    if (size < record->explicit_size + TAG_SIZE) {
        return fail(record, TLS_ALERT_BAD_RECORD_MAC, err, "a record that is too short");
    }
    *content = body + record->explicit_size;
    *length = size - record->explicit_size - TAG_SIZE;
    make_nonce(record, key, body, nonce);
    aad_length =
        make_aad(record, key, *type, record->keys.version == TLS_VERSION_13 ? size : *length, aad);
    rc = begin(record->receive, nonce, aad, aad_length);
    if (rc == 0 && *length > 0) {
        rc = gcry_cipher_decrypt(record->receive, *content, *length, NULL, 0);
    }
    if (rc != 0 || gcry_cipher_checktag(record->receive, *content + *length, TAG_SIZE) != 0) {
        return fail(record, TLS_ALERT_BAD_RECORD_MAC, err, "a record that fails authentication");
    }
    key->sequence++;
    if (record->keys.version == TLS_VERSION_13) {
        while (*length > 0 && (*content)[*length - 1] == 0) {
            (*length)--;
        }
        if (*length == 0) {
            return fail(record, TLS_ALERT_UNEXPECTED_MESSAGE, err, "a record without a type");
        }
        *type = (*content)[--*length];
    }
    if (*length > RECORD_PLAINTEXT_MAX) {
        return fail(record, TLS_ALERT_RECORD_OVERFLOW, err, "a record that is too long");
    }
    return RECORD_OPENED;
}

static enum record_result open_other(struct gcrypt_record *record, uint8_t type,
                                     const uint8_t *content, size_t length, struct error *err)
{
    enum after_result result =
        after_take(&record->after, record->keys.version, type, content, length, err);

    switch (result) {
    case AFTER_NOTHING:
        return RECORD_OPENED;
    case AFTER_CLOSED:
        return RECORD_CLOSED;
    case AFTER_UPDATE:
    case AFTER_UPDATE_REQUEST:
        record->update_due = record->update_due || result == AFTER_UPDATE_REQUEST;
        if (tls_key_update(&record->keys, &record->keys.receive, err) != 0 ||
            gcry_cipher_setkey(record->receive, record->keys.receive.key,
                               tls_key_length(record->keys.cipher)) != 0) {
            return RECORD_FAILED;
        }
        return RECORD_OPENED;
    case AFTER_FAILED:
        break;
    }
    record->alert = record->after.alert;
    return RECORD_FAILED;
}

static enum record_result open_record(struct record *base, uint8_t *data, size_t size,
                                      size_t *taken, uint8_t **plain, size_t *length,
                                      struct error *err)
{
    struct gcrypt_record *record = (struct gcrypt_record *)base;
    enum record_result result;
    size_t body;
    uint8_t type;

    if (size < RECORD_HEADER_SIZE) {
        return RECORD_PARTIAL;
    }
    type = data[0];
    body = (size_t)data[3] << 8 | data[4];
    if (data[1] != 3 || type < TLS_CONTENT_ALERT || type > TLS_CONTENT_DATA ||
        (record->keys.version == TLS_VERSION_13 && type != TLS_CONTENT_DATA)) {
        return fail(record, TLS_ALERT_UNEXPECTED_MESSAGE, err, "what is no record of this session");
    }
    if (RECORD_HEADER_SIZE + body > RECORD_WIRE_MAX) {
        return fail(record, TLS_ALERT_RECORD_OVERFLOW, err, "a record that is too long");
    }
    if (size < RECORD_HEADER_SIZE + body) {
        return RECORD_PARTIAL;
    }
    *taken = RECORD_HEADER_SIZE + body;
    result = unseal(record, data + RECORD_HEADER_SIZE, body, &type, plain, length, err);
    if (result != RECORD_OPENED) {
        return result;
    }
    if (type == TLS_CONTENT_DATA && *length > 0 && record->after.header_used == 0) {
        after_data(&record->after);
        return RECORD_OPENED;
    }
    result = open_other(record, type, *plain, *length, err);
    *length = 0;
    return result;
}

static bool control_due(const struct record *base)
{
    const struct gcrypt_record *record = (const struct gcrypt_record *)base;

    return record->update_due || (record->keys.version == TLS_VERSION_13 &&
                                  record->keys.send.sequence >= base->key_limit);
}

static int control(struct record *base, uint8_t *buffer, struct iovec *wire, struct error *err)
{
    static const uint8_t message[] = {TLS_HANDSHAKE_KEY_UPDATE, 0, 0, 1,
                                      0}; /* update_not_requested */
    struct gcrypt_record *record = (struct gcrypt_record *)base;

    memcpy(buffer + RECORD_HEADROOM, message, sizeof message);
    if (seal_typed(record, TLS_CONTENT_HANDSHAKE, buffer + RECORD_HEADROOM, sizeof message, wire,
                   err) != 0 ||
        tls_key_update(&record->keys, &record->keys.send, err) != 0) {
        return -1;
    }
    if (gcry_cipher_setkey(record->send, record->keys.send.key,
                           tls_key_length(record->keys.cipher)) != 0) {
        return error_set(err, "libgcrypt refuses the next key");
    }
    record->update_due = false;
    return 0;
}

static bool spent(const struct record *base)
{
    const struct gcrypt_record *record = (const struct gcrypt_record *)base;

    return record->keys.version == TLS_VERSION_12 && record->keys.send.sequence >= base->key_limit;
}

static void farewell(struct record *base, uint8_t *buffer, struct iovec *wire)
{
    struct gcrypt_record *record = (struct gcrypt_record *)base;
    uint8_t *alert = buffer + RECORD_HEADROOM;
    struct error ignored;

    alert[0] = record->alert == TLS_ALERT_CLOSE_NOTIFY ? 1 : 2; /* warning or fatal */
    alert[1] = (uint8_t)record->alert;
    if (seal_typed(record, TLS_CONTENT_ALERT, alert, 2, wire, &ignored) != 0) {
        wire->iov_len = 0;
    }
}

const struct record_engine record_engine_gcrypt = {
    .name = "gcrypt",
    .usable = usable,
    .create = create,
    .receive = receive,
    .open = open_record,
    .seal = seal,
    .control_due = control_due,
    .control = control,
    .farewell = farewell,
    .spent = spent,
    .destroy = destroy,
};
