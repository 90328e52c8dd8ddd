/* The engine of last resort: mbedTLS goes on after its handshake. It wants to do its own I/O, so
 * its callbacks are given the record at hand and a place for what it seals. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mbedtls/error.h>
#include <mbedtls/version.h>

#include "appnet/base/memory.h"
#include "appnet/tls/alert.h"
#include "record_engines.h"

struct mbedtls_record {
    struct record record;
    mbedtls_ssl_context *ssl;
    struct tls_context *context;
    const uint8_t *in; /* the record being opened */
    size_t in_left;
    uint8_t *out; /* where the record being sealed goes */
    size_t out_used, out_size;
};

static int give(void *at, unsigned char *out, size_t size)
{
    struct mbedtls_record *record = at;

    if (record->in_left == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (size > record->in_left) {
        size = record->in_left;
    }
    memcpy(out, record->in, size);
    record->in += size;
    record->in_left -= size;
    return (int)size;
}

static int take(void *at, const unsigned char *data, size_t size)
{
    struct mbedtls_record *record = at;

    if (size > record->out_size - record->out_used) {
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    memcpy(record->out + record->out_used, data, size);
    record->out_used += size;
    return (int)size;
}

static void place(struct mbedtls_record *record, uint8_t *out, size_t size)
{
    record->out = out;
    record->out_size = size;
    record->out_used = 0;
}

static bool usable(const struct tls_session *session)
{
    return !session || session->ssl;
}

static struct record *create(struct tls_session *session, int fd, struct error *err)
{
    struct mbedtls_record *record = memory_zalloc(sizeof *record);

    (void)fd;
    (void)err;
    record->record.engine = &record_engine_mbedtls;
    record->ssl = session->ssl;
    record->context = session->context;
    session->ssl = NULL;
    session->context = NULL;
    mbedtls_ssl_set_verify(record->ssl, NULL, NULL);
    mbedtls_ssl_set_bio(record->ssl, record, take, give, NULL);
    return &record->record;
}

static ssize_t receive(struct record *base, int fd, void *buffer, size_t size)
{
    (void)base;
    return recv(fd, buffer, size, 0);
}

static enum record_result open_record(struct record *base, uint8_t *data, size_t size,
                                      size_t *taken, uint8_t **plain, size_t *length,
                                      struct error *err)
{
    struct mbedtls_record *record = (struct mbedtls_record *)base;
    size_t whole;
    int rc;

    if (size < RECORD_HEADER_SIZE) {
        return RECORD_PARTIAL;
    }
    whole = RECORD_HEADER_SIZE + ((size_t)data[3] << 8 | data[4]);
    if (whole > RECORD_WIRE_MAX) {
        error_set(err, "the peer sent a record that is too long");
        return RECORD_FAILED;
    }
    if (size < whole) {
        return RECORD_PARTIAL;
    }
    record->in = data;
    record->in_left = whole;
    /* The place of what was sealed last may be another's by now: an alert that mbedTLS has to say
     * waits for the farewell. */
    place(record, NULL, 0);
    *taken = whole;
    *plain = data;
    *length = 0;
    /* mbedTLS holds the whole record by the time it hands out the first byte, so it may write over
     * it. */
    rc = mbedtls_ssl_read(record->ssl, data, whole);
    if (rc > 0) {
        *length = (size_t)rc;
        return RECORD_OPENED;
    }
    switch (rc) {
    case MBEDTLS_ERR_SSL_WANT_READ:
#if MBEDTLS_VERSION_MAJOR >= 3
    case MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET:
#endif
        return RECORD_OPENED;
    case 0:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        return RECORD_CLOSED;
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: {
        int alert = tls_alert_received(record->ssl);
        error_set(err, "the peer refused the session: %s (TLS alert %d)", tls_alert_text(alert),
                  alert);
        return RECORD_FAILED;
    }
    default: {
        char text[128];
        mbedtls_strerror(rc, text, sizeof text);
        error_set(err, "a record cannot be opened: %s", text);
        return RECORD_FAILED;
    }
    }
}

static int seal(struct record *base, uint8_t *plain, size_t length, struct iovec *wire,
                struct error *err)
{
    struct mbedtls_record *record = (struct mbedtls_record *)base;
    int rc;

    /* mbedTLS copies the plaintext before it sends, so the sealed record may take its place. */
    place(record, plain - RECORD_HEADROOM, RECORD_HEADROOM + length + RECORD_TAILROOM);
    rc = mbedtls_ssl_write(record->ssl, plain, length);
    if (rc < 0 || (size_t)rc != length) {
        char text[128];
        mbedtls_strerror(rc, text, sizeof text);
        return error_set(err, "a record cannot be sealed: %s", text);
    }
    wire->iov_base = record->out;
    wire->iov_len = record->out_used;
    return 0;
}

static void farewell(struct record *base, uint8_t *buffer, struct iovec *wire)
{
    struct mbedtls_record *record = (struct mbedtls_record *)base;

    place(record, buffer, RECORD_BUFFER_SIZE);
    mbedtls_ssl_close_notify(record->ssl);
    wire->iov_base = buffer;
    wire->iov_len = record->out_used;
}

static void destroy(struct record *base)
{
    struct mbedtls_record *record = (struct mbedtls_record *)base;

    mbedtls_ssl_free(record->ssl);
    free(record->ssl);
    tls_context_unref(record->context);
    free(record);
}

const struct record_engine record_engine_mbedtls = {
    .name = "mbedtls",
    .usable = usable,
    .create = create,
    .receive = receive,
    .open = open_record,
    .seal = seal,
    .farewell = farewell,
    .destroy = destroy,
};
