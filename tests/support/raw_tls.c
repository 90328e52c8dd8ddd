/* A TLS peer made of a handshake and a record engine, with nothing above them: what tests set
 * against OpenSSL's and GnuTLS's own tools.
 *
 *   raw_tls server PORT ENGINE IDENTITY-FOLDER [KEY-LIMIT]    accepts one peer and echoes until it
 * closes raw_tls client PORT ENGINE IDENTITY-FOLDER [KEY-LIMIT]    sends standard input, prints
 * what comes back
 *
 * It tells on standard error what was agreed, and exits 0 after the peer's close_notify. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/tls/record.h"

#define PATIENCE_MILLISECONDS 30000
#define TRUST_DOMAIN "shop.example"

struct peer {
    int fd;
    bool is_client;
    struct record *record;
    uint8_t in[4 * RECORD_WIRE_MAX];
    size_t in_used;
    uint8_t out[RECORD_BUFFER_SIZE];
    uint64_t echoed;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "raw_tls: %s: %s\n", what, why);
    exit(1);
}

static void wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    if (poll(&poll_fd, 1, PATIENCE_MILLISECONDS) <= 0) {
        die("waiting", "nothing came");
    }
}

static int open_socket(bool is_client, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    int peer;

    if (is_client) {
        if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
            die("connect", strerror(errno));
        }
        return fd;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1) != 0) {
        die("listen", strerror(errno));
    }
    fprintf(stderr, "listening\n");
    wait_for(fd, POLLIN);
    peer = accept(fd, NULL, NULL);
    close(fd);
    return peer;
}

static void agree(struct peer *peer, const char *folder, const char *engine)
{
    struct error err = ERROR_INIT;
    char *certificate = file_path(folder, "cert.pem");
    char *key = file_path(folder, "key.pem");
    char *ca = file_path(folder, "ca.pem");
    struct identity *identity = identity_load(certificate, key, ca, TRUST_DOMAIN, "one", &err);
    struct tls_context *context = identity ? tls_context_new(identity, &err) : NULL;
    const struct tls_expected expected = tls_expect(peer->is_client ? "two" : NULL);
    struct handshake *handshake =
        context ? handshake_new(context, peer->fd, peer->is_client, &expected, &err) : NULL;
    enum handshake_result result = handshake ? HANDSHAKE_READ : HANDSHAKE_FAILED;
    struct tls_session session;

    while (result == HANDSHAKE_READ || result == HANDSHAKE_WRITE) {
        result = handshake_step(handshake, &err);
        if (result == HANDSHAKE_READ || result == HANDSHAKE_WRITE) {
            wait_for(peer->fd, result == HANDSHAKE_READ ? POLLIN : POLLOUT);
        }
    }
    if (result == HANDSHAKE_FAILED || handshake_finish(handshake, &session, &err) != 0) {
        die("handshake", err.text);
    }
    fprintf(stderr, "agreed %s %s %s\n", session.version, session.cipher, engine);
    peer->record = record_new(record_engine_find(engine), &session, peer->fd, &err);
    if (!peer->record) {
        die("engine", err.text);
    }
    handshake_free(handshake);
    tls_context_unref(context);
    identity_free(identity);
    free(certificate);
    free(key);
    free(ca);
}

static void send_all(struct peer *peer, struct iovec wire)
{
    uint8_t *at = wire.iov_base;
    size_t left = wire.iov_len;

    while (left > 0) {
        ssize_t n = send(peer->fd, at, left, MSG_NOSIGNAL);
        if (n < 0) {
            die("send", strerror(errno));
        }
        at += n;
        left -= (size_t)n;
    }
}

static void send_data(struct peer *peer, const uint8_t *data, size_t size)
{
    const struct record_engine *engine = peer->record->engine;
    struct error err = ERROR_INIT;
    struct iovec wire = {0};

    if (engine->control_due && engine->control_due(peer->record)) {
        if (engine->control(peer->record, peer->out, &wire, &err) != 0) {
            die("control", err.text);
        }
        fprintf(stderr, "key updated\n");
        send_all(peer, wire);
    }
    memcpy(peer->out + RECORD_HEADROOM, data, size);
    if (engine->seal(peer->record, peer->out + RECORD_HEADROOM, size, &wire, &err) != 0) {
        die("seal", err.text);
    }
    send_all(peer, wire);
}

/* Opens what is there; false: the peer has closed. */
static bool take(struct peer *peer)
{
    const struct record_engine *engine = peer->record->engine;
    struct error err = ERROR_INIT;
    size_t begin = 0;
    ssize_t n = engine->receive(peer->record, peer->fd, peer->in + peer->in_used,
                                sizeof peer->in - peer->in_used);

    if (n <= 0) {
        die("receive", n == 0 ? "the connection ended without close_notify" : strerror(errno));
    }
    peer->in_used += (size_t)n;
    while (begin < peer->in_used) {
        size_t taken = 0;
        size_t length = 0;
        uint8_t *plain = NULL;
        enum record_result result = engine->open(
            peer->record, peer->in + begin, peer->in_used - begin, &taken, &plain, &length, &err);
        if (result == RECORD_PARTIAL) {
            break;
        }
        if (result == RECORD_CLOSED) {
            return false;
        }
        if (result == RECORD_FAILED) {
            die("open", err.text);
        }
        begin += taken;
        if (peer->is_client) {
            fwrite(plain, 1, length, stdout);
            fflush(stdout);
        } else if (length > 0) {
            send_data(peer, plain, length);
        }
        peer->echoed += length;
    }
    memmove(peer->in, peer->in + begin, peer->in_used - begin);
    peer->in_used -= begin;
    return true;
}

static void say_goodbye(struct peer *peer)
{
    struct iovec wire = {0};

    peer->record->engine->farewell(peer->record, peer->out, &wire);
    send_all(peer, wire);
}

/* Standard input goes out, what comes is printed; at the end of the input it waits until as much
 * has come back. */
static void talk(struct peer *peer)
{
    uint64_t sent = 0;
    bool more = true;

    while (more || peer->echoed < sent) {
        struct pollfd fds[2] = {{.fd = peer->fd, .events = POLLIN},
                                {.fd = more ? 0 : -1, .events = POLLIN}};
        if (poll(fds, 2, PATIENCE_MILLISECONDS) <= 0) {
            die("waiting", "nothing came");
        }
        if (fds[1].revents) {
            uint8_t data[8192];
            ssize_t n = read(0, data, sizeof data);
            more = n > 0;
            if (n > 0) {
                send_data(peer, data, (size_t)n);
                sent += (uint64_t)n;
            }
        }
        if (fds[0].revents && !take(peer)) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    static struct peer whole;
    struct peer *peer = &whole;

    if (argc < 5 || !record_engine_find(argv[3])) {
        fprintf(stderr, "usage: raw_tls server|client PORT ENGINE IDENTITY-FOLDER [KEY-LIMIT]\n");
        return 2;
    }
    if (!record_engine_find(argv[3])->usable(NULL)) {
        fprintf(stderr, "engine %s cannot be used on this machine\n", argv[3]);
        return 77;
    }
    peer->is_client = strcmp(argv[1], "client") == 0;
    peer->fd = open_socket(peer->is_client, (uint16_t)atoi(argv[2]));
    agree(peer, argv[4], argv[3]);
    if (argc > 5) {
        peer->record->key_limit = strtoull(argv[5], NULL, 10);
    }
    if (peer->is_client) {
        talk(peer);
    } else {
        while (take(peer)) {
        }
    }
    say_goodbye(peer);
    record_free(peer->record);
    close(peer->fd);
    return 0;
}
