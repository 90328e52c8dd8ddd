/* The engine of kernels that have TLS in their sockets (Documentation/networking/tls.rst):
 * plaintext goes to and comes from the socket, and the kernel seals and opens. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/tls.h>
#include <mbedtls/version.h>

#include "after.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/tls/alert.h"
#include "record_engines.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

struct ktls_record {
    struct record record;
    struct tls_keys keys;
    int fd;
    uint8_t type; /* of what was received last */
    struct after after;
    uint64_t sealed; /* records, roughly: the kernel does not say */
    bool asked; /* the peer asked for a key that the kernel cannot be given between two writes */
    int alert;
};

static bool kernel_knows;
static bool kernel_changes_keys;

/* Kernels as late as 6.12 take one key each way and no other, so in TLS 1.3 the peer's first
 * KeyUpdate would end the tunnel. Only a connected socket shows it; nobody needs to accept the
 * connection. */
static bool takes_two_keys(int fd, int listener)
{
    struct tls12_crypto_info_aes_gcm_128 any = {
        .info = {.version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128}};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    return bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0 &&
           getsockname(listener, (struct sockaddr *)&at, &size) == 0 &&
           connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 &&
           setsockopt(fd, SOL_TLS, TLS_RX, &any, sizeof any) == 0 &&
           setsockopt(fd, SOL_TLS, TLS_RX, &any, sizeof any) == 0;
}

/* A socket that is not connected is refused, but differently if the kernel knows the name. */
static void ask_kernel(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    kernel_knows = fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ||
                               errno == ENOTCONN);
    kernel_changes_keys = kernel_knows && listener >= 0 && takes_two_keys(fd, listener);
    if (fd >= 0) {
        close(fd);
    }
    if (listener >= 0) {
        close(listener);
    }
}

static bool usable(const struct tls_session *session)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool changes_keys = session ? session->keys.version == TLS_VERSION_13
                                : MBEDTLS_VERSION_MAJOR >= 3; /* what sessions usually are */

    /* The kernel knows all our ciphers since it knows any. */
    pthread_once(&once, ask_kernel);
    return changes_keys ? kernel_changes_keys : kernel_knows;
}

/* The kernel's structures differ by cipher only in the lengths of their parts. */
union crypto_info {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes_128;
    struct tls12_crypto_info_aes_gcm_256 aes_256;
    struct tls12_crypto_info_chacha20_poly1305 chacha;
};

static socklen_t fill(const struct tls_keys *keys, const struct tls_key *key,
                      union crypto_info *out)
{
    uint8_t sequence[8];
    const uint8_t *iv = keys->version == TLS_VERSION_13 ? key->iv + 4 : sequence;

    for (int i = 0; i < 8; i++) {
        sequence[i] = (uint8_t)(key->sequence >> (56 - 8 * i));
    }
    memset(out, 0, sizeof *out);
    out->info.version = keys->version == TLS_VERSION_13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
    switch (keys->cipher) {
    case TLS_AES_128_GCM:
        out->info.cipher_type = TLS_CIPHER_AES_GCM_128;
        memcpy(out->aes_128.salt, key->iv, sizeof out->aes_128.salt);
        memcpy(out->aes_128.iv, iv, sizeof out->aes_128.iv);
        memcpy(out->aes_128.key, key->key, sizeof out->aes_128.key);
        memcpy(out->aes_128.rec_seq, sequence, sizeof sequence);
        return sizeof out->aes_128;
    case TLS_AES_256_GCM:
        out->info.cipher_type = TLS_CIPHER_AES_GCM_256;
        memcpy(out->aes_256.salt, key->iv, sizeof out->aes_256.salt);
        memcpy(out->aes_256.iv, iv, sizeof out->aes_256.iv);
        memcpy(out->aes_256.key, key->key, sizeof out->aes_256.key);
        memcpy(out->aes_256.rec_seq, sequence, sizeof sequence);
        return sizeof out->aes_256;
    case TLS_CHACHA20_POLY1305:
        out->info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
        memcpy(out->chacha.iv, key->iv, sizeof out->chacha.iv);
        memcpy(out->chacha.key, key->key, sizeof out->chacha.key);
        memcpy(out->chacha.rec_seq, sequence, sizeof sequence);
        return sizeof out->chacha;
    }
    return 0;
}

static int give_key(const struct ktls_record *record, int direction, const struct tls_key *key,
                    struct error *err)
{
    union crypto_info info;
    socklen_t size = fill(&record->keys, key, &info);
    int rc = setsockopt(record->fd, SOL_TLS, direction, &info, size);
    int failure = errno;

    secret_wipe(&info, sizeof info);
    return rc == 0 ? 0
                   : error_set_errno(err, failure, "the kernel does not take the session's keys");
}

static void destroy(struct record *base)
{
    struct ktls_record *record = (struct ktls_record *)base;

    secret_wipe(&record->keys, sizeof record->keys);
    free(record);
}

static struct record *create(struct tls_session *session, int fd, struct error *err)
{
    struct ktls_record *record = memory_zalloc(sizeof *record);

    record->record.engine = &record_engine_ktls;
    record->keys = session->keys;
    record->fd = fd;
    if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0) {
        error_set_errno(err, errno, "the kernel does not take the session over");
        destroy(&record->record);
        return NULL;
    }
    if (give_key(record, TLS_TX, &record->keys.send, err) != 0 ||
        give_key(record, TLS_RX, &record->keys.receive, err) != 0) {
        destroy(&record->record);
        return NULL;
    }
    return &record->record;
}

/* One call gives records of one type only, and the kernel says which. */
static ssize_t receive(struct record *base, int fd, void *buffer, size_t size)
{
    struct ktls_record *record = (struct ktls_record *)base;
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint8_t))];
    } control;
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, 0);
    struct cmsghdr *at = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

    record->type = TLS_CONTENT_DATA;
    if (at && at->cmsg_level == SOL_TLS && at->cmsg_type == TLS_GET_RECORD_TYPE) {
        record->type = *CMSG_DATA(at);
    }
    return n;
}

static enum record_result open_record(struct record *base, uint8_t *data, size_t size,
                                      size_t *taken, uint8_t **plain, size_t *length,
                                      struct error *err)
{
    struct ktls_record *record = (struct ktls_record *)base;

    *taken = size;
    *plain = data;
    *length = 0;
    if (record->type == TLS_CONTENT_DATA && record->after.header_used == 0) {
        /* The kernel gives the data of many records at once; callers expect no more than one's. */
        if (size > RECORD_PLAINTEXT_MAX) {
            *taken = RECORD_PLAINTEXT_MAX;
        }
        after_data(&record->after);
        *length = *taken;
        return RECORD_OPENED;
    }
    switch (after_take(&record->after, record->keys.version, record->type, data, size, err)) {
    case AFTER_NOTHING:
        return RECORD_OPENED;
    case AFTER_CLOSED:
        return RECORD_CLOSED;
    case AFTER_UPDATE_REQUEST:
        record->asked = true;
        /* fall through */
    case AFTER_UPDATE:
        if (tls_key_update(&record->keys, &record->keys.receive, err) != 0 ||
            give_key(record, TLS_RX, &record->keys.receive, err) != 0) {
            return RECORD_FAILED;
        }
        return RECORD_OPENED;
    case AFTER_FAILED:
        break;
    }
    record->alert = record->after.alert;
    return RECORD_FAILED;
}

static int seal(struct record *base, uint8_t *plain, size_t length, struct iovec *wire,
                struct error *err)
{
    struct ktls_record *record = (struct ktls_record *)base;

    (void)err;
    record->sealed++;
    wire->iov_base = plain;
    wire->iov_len = length;
    return 0;
}

/* Our key could only be changed when nothing waits before the change, which the engine cannot know.
 * So a tunnel whose key is used up, or whose peer asks, takes no new streams and another is made.
 */
static bool spent(const struct record *base)
{
    const struct ktls_record *record = (const struct ktls_record *)base;

    return record->asked || record->sealed >= base->key_limit;
}

/* The kernel seals alerts too, when told what they are; so this one is sent here. */
static void farewell(struct record *base, uint8_t *buffer, struct iovec *wire)
{
    struct ktls_record *record = (struct ktls_record *)base;
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint8_t))];
    } control = {.header = {.cmsg_level = SOL_TLS,
                            .cmsg_type = TLS_SET_RECORD_TYPE,
                            .cmsg_len = CMSG_LEN(sizeof(uint8_t))}};
    struct iovec part = {.iov_base = buffer, .iov_len = 2};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    buffer[0] = record->alert == TLS_ALERT_CLOSE_NOTIFY ? 1 : 2;
    buffer[1] = (uint8_t)record->alert;
    *CMSG_DATA(&control.header) = TLS_CONTENT_ALERT;
    if (sendmsg(record->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* The peer will see the end of the connection instead. */
    }
    wire->iov_len = 0;
}

const struct record_engine record_engine_ktls = {
    .name = "ktls",
    .usable = usable,
    .create = create,
    .receive = receive,
    .open = open_record,
    .seal = seal,
    .farewell = farewell,
    .spent = spent,
    .destroy = destroy,
};
