#include "after.h"

#include "appnet/tls/alert.h"

#define NEW_SESSION_TICKET 4

static enum after_result refuse(struct after *after, int alert, struct error *err, const char *what)
{
    after->alert = alert;
    error_set(err, "the peer sent %s", what);
    return AFTER_FAILED;
}

static enum after_result take_alert(struct after *after, enum tls_version version,
                                    const uint8_t *content, size_t length, struct error *err)
{
    if (length != 2) {
        return refuse(after, TLS_ALERT_DECODE_ERROR, err, "an alert that is not two bytes long");
    }
    if (content[1] == TLS_ALERT_CLOSE_NOTIFY) {
        return AFTER_CLOSED;
    }
    /* A warning in 1.2 does not end the session; in 1.3 only this one does not. */
    if (version == TLS_VERSION_12 ? content[0] == 1 : content[1] == TLS_ALERT_USER_CANCELED) {
        return AFTER_NOTHING;
    }
    error_set(err, "the peer refused the session: %s (TLS alert %d)", tls_alert_text(content[1]),
              content[1]);
    return AFTER_FAILED;
}

static size_t body_length(const struct after *after)
{
    return (size_t)after->header[1] << 16 | (size_t)after->header[2] << 8 | after->header[3];
}

/* Byte by byte, which is no matter: they are few. */
static enum after_result take_handshake(struct after *after, const uint8_t *content, size_t length,
                                        struct error *err)
{
    for (size_t i = 0; i < length; i++) {
        if (after->header_used < sizeof after->header) {
            after->header[after->header_used++] = content[i];
            if (after->header_used < sizeof after->header) {
                continue;
            }
            after->left = body_length(after);
            if (after->header[0] != NEW_SESSION_TICKET &&
                (after->header[0] != TLS_HANDSHAKE_KEY_UPDATE || after->left != 1)) {
                return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err,
                              "a handshake message after the handshake");
            }
        } else {
            after->left--;
        }
        if (after->left > 0) {
            continue;
        }
        after->header_used = 0;
        if (after->header[0] == TLS_HANDSHAKE_KEY_UPDATE) {
            if (i + 1 != length || content[i] > 1) {
                return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err, "a malformed KeyUpdate");
            }
            return content[i] == 1 ? AFTER_UPDATE_REQUEST : AFTER_UPDATE;
        }
    }
    return AFTER_NOTHING;
}

enum after_result after_take(struct after *after, enum tls_version version, uint8_t type,
                             const uint8_t *content, size_t length, struct error *err)
{
    if (++after->idle_records > AFTER_IDLE_RECORDS_MAX) {
        return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err,
                      "too many records in a row without data");
    }
    if (after->header_used > 0 && type != TLS_CONTENT_HANDSHAKE) {
        return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err,
                      "another record in the middle of a handshake message");
    }
    switch (type) {
    case TLS_CONTENT_DATA:
        return AFTER_NOTHING;
    case TLS_CONTENT_ALERT:
        return take_alert(after, version, content, length, err);
    case TLS_CONTENT_HANDSHAKE:
        if (version == TLS_VERSION_13 && length > 0) {
            return take_handshake(after, content, length, err);
        }
        return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err,
                      "a handshake message after the handshake");
    default:
        return refuse(after, TLS_ALERT_UNEXPECTED_MESSAGE, err,
                      "a record of a type that is not expected");
    }
}

void after_data(struct after *after)
{
    after->idle_records = 0;
}
