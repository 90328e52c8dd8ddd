#include "appnet/base/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 253 /* RFC 1035, 2.3.4, in text without the last dot */
#define EXPECTED "expected HOST:PORT, for example 127.0.0.1:3306"

static bool is_v4(const char *host)
{
    struct in_addr ignored;

    return inet_pton(AF_INET, host, &ignored) == 1;
}

static bool is_v6(const char *host)
{
    struct in6_addr ignored;

    return inet_pton(AF_INET6, host, &ignored) == 1;
}

/* A name, or an IPv4 literal: what looks like numbers must be one, so that 10.0.0.256 is not looked
 * up as a name. */
static bool host_valid(const char *host)
{
    static const char digits[] = "0123456789.";
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

    if (host[strspn(host, digits)] == '\0')
        return is_v4(host);
    while (*host) {
        if (*host != '.' && !strchr(letters, *host) && !strchr(digits, *host))
            return false;
        if (*host == '.' && host[1] == '.')
            return false;
        host++;
    }
    return true;
}

static int port_parse(const char *text)
{
    size_t length = strspn(text, "0123456789");
    long port;

    if (length == 0 || length > 5 || text[length] != '\0' || text[0] == '0')
        return -1;
    port = strtol(text, NULL, 10);
    return port <= 65535 ? (int)port : -1;
}

int address_parse(const char *text, struct address *out, struct error *err)
{
    bool bracketed = text[0] == '[';
    const char *host = bracketed ? text + 1 : text;
    const char *end = bracketed ? strchr(text, ']') : strrchr(text, ':');
    const char *colon = bracketed && end ? end + 1 : end;
    size_t length;
    int port;

    if (!colon || *colon != ':' || end == host)
        return error_set(err, EXPECTED);
    length = (size_t)(end - host);
    if (length > HOST_MAX)
        return error_set(err, "the host is longer than %d characters", HOST_MAX);
    if (!bracketed && memchr(host, ':', length))
        return error_set(err, "an IPv6 address needs brackets, for example [::1]:3306");
    port = port_parse(colon + 1);
    if (port < 0)
        return error_set(err, "expected a port from 1 to 65535 after the last colon");
    memset(out, 0, sizeof(*out));
    memcpy(out->host, host, length);
    out->port = (uint16_t)port;
    if (bracketed ? !is_v6(out->host) : !host_valid(out->host))
        return error_set(err, "the host is not a name or an address; " EXPECTED);
    return 0;
}

void address_format(const struct address *address, char *out, size_t size)
{
    bool v6 = strchr(address->host, ':');

    snprintf(out, size, "%s%s%s:%u", v6 ? "[" : "", address->host, v6 ? "]" : "",
             (unsigned)address->port);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

bool address_is_literal(const struct address *address)
{
    return is_v4(address->host) || is_v6(address->host);
}

int address_resolve(const struct address *address, struct socket_address *out, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    if (address_is_literal(address))
        hints.ai_flags |= AI_NUMERICHOST;
    rc = getaddrinfo(address->host, port, &hints, &found);
    if (rc != 0)
        return error_set(err, "%s: %s", address->host, gai_strerror(rc));
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
    out->length = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

void socket_address_format(const struct socket_address *address, char *out, size_t size)
{
    struct address numeric = {.port = 0};

    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;

        inet_ntop(AF_INET, &v4->sin_addr, numeric.host, sizeof(numeric.host));
        numeric.port = ntohs(v4->sin_port);
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;

        inet_ntop(AF_INET6, &v6->sin6_addr, numeric.host, sizeof(numeric.host));
        numeric.port = ntohs(v6->sin6_port);
    } else {
        snprintf(out, size, "unknown");
        return;
    }
    address_format(&numeric, out, size);
}

static void format_end(int fd, int (*get)(int, struct sockaddr *, socklen_t *), char *out,
                       size_t size)
{
    struct socket_address address = {.length = sizeof(address.storage)};

    if (get(fd, (struct sockaddr *)&address.storage, &address.length) != 0)
        address.storage.ss_family = AF_UNSPEC;
    socket_address_format(&address, out, size);
}

static int get_peer(int fd, struct sockaddr *address, socklen_t *length)
{
    return getpeername(fd, address, length);
}

static int get_local(int fd, struct sockaddr *address, socklen_t *length)
{
    return getsockname(fd, address, length);
}

void socket_peer_format(int fd, char *out, size_t size)
{
    format_end(fd, get_peer, out, size);
}

void socket_local_format(int fd, char *out, size_t size)
{
    format_end(fd, get_local, out, size);
}
