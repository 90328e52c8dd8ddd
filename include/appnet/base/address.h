/* Network addresses as people write them: `10.0.0.5:15008`, `[::1]:80`, `shop.example:15010`. */
#ifndef APPNET_BASE_ADDRESS_H
#define APPNET_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "appnet/base/error.h"

/* "host:port" with a 253-byte host name, brackets and the terminating zero */
#define ADDRESS_TEXT_SIZE 264

struct address {
    char host[256]; /* name or literal, without brackets */
    uint16_t port;  /* 1 to 65535 */
};

/* A numeric address, ready for bind or connect. */
struct socket_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* Takes HOST:PORT apart. An IPv6 literal needs brackets. Fails with a sentence that says what was
 * expected. */
int address_parse(const char *text, struct address *out, struct error *err);

/* Writes `host:port` (or `[v6]:port`), always terminated. */
void address_format(const struct address *address, char *out, size_t size);

bool address_equal(const struct address *a, const struct address *b);

/* Looks the host up, numeric or by name; this call may block on a name server: not for event loops
 * unless the host is a literal (address_is_literal). */
int address_resolve(const struct address *address, struct socket_address *out, struct error *err);
bool address_is_literal(const struct address *address);

/* Numeric `host:port` of a socket address; "unknown" when it is of no known family. */
void socket_address_format(const struct socket_address *address, char *out, size_t size);
/* The same for the other side, or this side, of a connected socket. */
void socket_peer_format(int fd, char *out, size_t size);
void socket_local_format(int fd, char *out, size_t size);

#endif
