#include "appnet/base/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct socket_address address_of(const char *host)
{
    struct address address = {.port = 80};
    struct socket_address out;
    struct error err = ERROR_INIT;

    strcpy(address.host, host);
    assert_int_equal(address_resolve(&address, &out, &err), 0);
    return out;
}

static void tells_loopback_addresses(void **state)
{
    static const char *const loopback[] = {"127.0.0.1", "127.255.0.9", "::1"};
    static const char *const others[] = {"10.0.0.1", "128.0.0.1", "0.0.0.0", "::", "fe80::1"};
    struct socket_address unknown = {.storage.ss_family = AF_UNIX};
    struct socket_address address;

    (void)state;
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        address = address_of(loopback[i]);
        assert_true(socket_address_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        address = address_of(others[i]);
        assert_false(socket_address_is_loopback(&address));
    }
    assert_false(socket_address_is_loopback(&unknown));
}

static int listener(const char *host)
{
    struct socket_address address = address_of(host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ((struct sockaddr_in *)&address.storage)->sin_port = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&address.storage, address.length), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int connected_to(int server)
{
    struct sockaddr_in at = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(server, (struct sockaddr *)&at, &(socklen_t){sizeof at}), 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void tells_sockets_that_stay_here(void **state)
{
    int here = listener("127.0.0.1");
    int anywhere = listener("0.0.0.0");
    int client = connected_to(anywhere);
    int pair[2];

    (void)state;
    assert_true(socket_is_local(here));
    assert_false(socket_is_local(anywhere)); /* nobody knows yet who comes */
    assert_true(socket_is_local(client));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(socket_is_local(pair[0]));
    assert_false(socket_is_local(-1));
    close(pair[0]);
    close(pair[1]);
    close(here);
    close(anywhere);
    close(client);
}

static void assert_unpaced(int fd)
{
    char name[16] = "";
    int on = 0;

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &(socklen_t){sizeof name}),
                     0);
    assert_string_equal(name, "reno");
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &(socklen_t){sizeof on}), 0);
    assert_true(on);
}

static void local_sockets_are_not_paced_accepted_ones_neither(void **state)
{
    int server = listener("127.0.0.1");
    int client;
    int accepted;

    (void)state;
    socket_prepare(server, true);
    client = connected_to(server);
    accepted = accept(server, NULL, NULL);
    assert_true(accepted >= 0);
    assert_unpaced(server);
    assert_unpaced(accepted);
    close(accepted);
    close(client);
    close(server);
}

static void others_keep_the_default_of_the_machine(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char before[16] = "";
    char after[16] = "";
    int on = 0;

    (void)state;
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, before, &(socklen_t){sizeof before});
    socket_prepare(fd, false);
    socket_keep_alive(fd);
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, after, &(socklen_t){sizeof after});
    assert_string_equal(before, after);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &(socklen_t){sizeof on}), 0);
    assert_true(on);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest sockets[] = {
        cmocka_unit_test(tells_loopback_addresses),
        cmocka_unit_test(tells_sockets_that_stay_here),
        cmocka_unit_test(local_sockets_are_not_paced_accepted_ones_neither),
        cmocka_unit_test(others_keep_the_default_of_the_machine),
    };

    return cmocka_run_group_tests(sockets, NULL, NULL);
}
