#include "appnet/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_good(const char *text, const char *host, unsigned port)
{
    struct address address;
    struct error err = ERROR_INIT;
    char again[ADDRESS_TEXT_SIZE];

    assert_int_equal(address_parse(text, &address, &err), 0);
    assert_string_equal(address.host, host);
    assert_int_equal(address.port, port);
    address_format(&address, again, sizeof(again));
    assert_string_equal(again, text);
}

static void assert_bad(const char *text, const char *sentence)
{
    struct address address;
    struct error err = ERROR_INIT;

    assert_int_equal(address_parse(text, &address, &err), -1);
    assert_non_null(strstr(err.text, sentence));
}

static void parses_and_formats(void **state)
{
    (void)state;
    assert_good("127.0.0.1:3306", "127.0.0.1", 3306);
    assert_good("[::1]:80", "::1", 80);
    assert_good("[fd00::10.0.0.1]:65535", "fd00::10.0.0.1", 65535);
    assert_good("registry.example:1", "registry.example", 1);
    assert_good("my_db-1.svc.:5432", "my_db-1.svc.", 5432);
}

static void refuses_bad_forms(void **state)
{
    (void)state;
    assert_bad("", "expected HOST:PORT");
    assert_bad("127.0.0.1", "expected HOST:PORT");
    assert_bad(":80", "expected HOST:PORT");
    assert_bad("[]:80", "expected HOST:PORT");
    assert_bad("[::1", "expected HOST:PORT");
    assert_bad("[::1]", "expected HOST:PORT");
    assert_bad("[::1]80", "expected HOST:PORT");
    assert_bad("::1:80", "needs brackets");
    assert_bad("[localhost]:80", "not a name or an address");
    assert_bad("[127.0.0.1]:80", "not a name or an address");
    assert_bad("10.0.0.256:80", "not a name or an address");
    assert_bad("10.0.0:80", "not a name or an address");
    assert_bad("a b:80", "not a name or an address");
    assert_bad("a..b:80", "not a name or an address");
    assert_bad("a\n:80", "not a name or an address");
    assert_bad("http://x:80", "needs brackets");
}

static void holds_ports_in_range(void **state)
{
    (void)state;
    assert_good("a:65535", "a", 65535);
    assert_bad("a:65536", "port from 1 to 65535");
    assert_bad("a:0", "port from 1 to 65535");
    assert_bad("a:", "port from 1 to 65535");
    assert_bad("a:-1", "port from 1 to 65535");
    assert_bad("a:+1", "port from 1 to 65535");
    assert_bad("a: 1", "port from 1 to 65535");
    assert_bad("a:080", "port from 1 to 65535");
    assert_bad("a:99999999999999999999", "port from 1 to 65535");
    assert_bad("a:80x", "port from 1 to 65535");
}

static void holds_the_length_of_a_host(void **state)
{
    char text[300];

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + 253, ":80");
    assert_int_equal(address_parse(text, &(struct address){.port = 0}, NULL), 0);
    memset(text, 'a', sizeof(text));
    strcpy(text + 254, ":80");
    assert_bad(text, "longer than 253");
}

static void formats_into_little_room(void **state)
{
    struct address address;
    char text[5];

    (void)state;
    assert_int_equal(address_parse("[::1]:80", &address, NULL), 0);
    address_format(&address, text, sizeof(text));
    assert_string_equal(text, "[::1");
}

static void compares(void **state)
{
    struct address a = {.host = "Example", .port = 1};
    struct address b = {.host = "example", .port = 1};

    (void)state;
    assert_true(address_equal(&a, &b));
    b.port = 2;
    assert_false(address_equal(&a, &b));
    b = (struct address){.host = "other", .port = 1};
    assert_false(address_equal(&a, &b));
}

static void resolves_literals(void **state)
{
    static const char *const texts[] = {"127.0.0.1:3306", "[::1]:80"};
    struct socket_address resolved;
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(address_parse(texts[i], &address, NULL), 0);
        assert_true(address_is_literal(&address));
        assert_int_equal(address_resolve(&address, &resolved, NULL), 0);
        socket_address_format(&resolved, text, sizeof(text));
        assert_string_equal(text, texts[i]);
    }
}

static void resolves_names(void **state)
{
    struct socket_address resolved;
    struct address address;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(address_parse("localhost:80", &address, NULL), 0);
    assert_false(address_is_literal(&address));
    assert_int_equal(address_resolve(&address, &resolved, &err), 0);
    address = (struct address){.host = "-", .port = 1};
    assert_int_equal(address_resolve(&address, &resolved, &err), -1);
    assert_non_null(strstr(err.text, "-: "));
}

static void formats_both_ends_of_a_socket(void **state)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    char peer[ADDRESS_TEXT_SIZE];
    char local[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(listener, 1), 0);
    socket_local_format(listener, local, sizeof(local));
    assert_memory_equal(local, "127.0.0.1:", 10);
    socket_peer_format(client, peer, sizeof(peer));
    assert_string_equal(peer, "unknown");
    assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &(socklen_t){sizeof(here)}),
                     0);
    assert_int_equal(connect(client, (struct sockaddr *)&here, sizeof(here)), 0);
    socket_peer_format(client, peer, sizeof(peer));
    assert_string_equal(peer, local);
    close(client);
    close(listener);
}

static void formats_other_families_as_unknown(void **state)
{
    int pair[2];
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    socket_peer_format(pair[0], text, sizeof(text));
    assert_string_equal(text, "unknown");
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest address[] = {
        cmocka_unit_test(parses_and_formats),
        cmocka_unit_test(refuses_bad_forms),
        cmocka_unit_test(holds_ports_in_range),
        cmocka_unit_test(holds_the_length_of_a_host),
        cmocka_unit_test(formats_into_little_room),
        cmocka_unit_test(compares),
        cmocka_unit_test(resolves_literals),
        cmocka_unit_test(resolves_names),
        cmocka_unit_test(formats_both_ends_of_a_socket),
        cmocka_unit_test(formats_other_families_as_unknown),
    };

    return cmocka_run_group_tests(address, NULL, NULL);
}
