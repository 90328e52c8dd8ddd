#include "../../src/cli/status_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The caller frees it. */
static char *print(const char *json)
{
    json_error_t problem;
    json_t *status = json_loads(json, 0, &problem);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(status);
    status_table_print(status, out);
    fclose(out);
    json_decref(status);
    return text;
}

static void prints_a_whole_status(void **state)
{
    char *text = print(
        "{\"instance\":\"shop\",\"trust_domain\":\"shop.example\",\"version\":\"0.1.0\",\"pid\":7,"
        "\"state\":\"running\",\"uptime_seconds\":3725,\"workers\":2,\"engine\":\"mbedtls\","
        "\"certificate\":{\"id\":\"spiffe://shop.example/instance/shop\",\"serial\":\"0abc\","
        "\"issuer\":\"CN=ca\",\"not_before\":\"2026-01-01T00:00:00Z\","
        "\"not_after\":\"2026-01-02T00:00:00Z\"},"
        "\"outbounds\":[{\"name\":\"db\",\"required\":true,\"listen\":\"127.0.0.1:3306\","
        "\"instance\":\"mysql\",\"inbound\":\"sql\",\"address\":\"10.0.0.7:15008\","
        "\"status\":\"FAILED\",\"reason\":\"unreachable\",\"detail\":\"no answer\",\"streams\":0},"
        "{\"name\":\"cache-store\",\"required\":false,\"listen\":\"127.0.0.1:1\",\"instance\":null,"
        "\"inbound\":null,\"address\":null,\"status\":\"WAITING\",\"reason\":null,\"detail\":null,"
        "\"streams\":12}],"
        "\"inbounds\":[{\"name\":\"http\",\"target\":\"127.0.0.1:80\",\"streams\":3}],"
        "\"tunnels\":[{\"id\":1,\"side\":\"source\",\"peer\":\"mysql\",\"address\":\"10.0.0.7:"
        "15008\","
        "\"worker\":0,\"tls\":\"TLSv1.3\",\"cipher\":\"X\",\"engine\":\"gcrypt\",\"state\":\"up\","
        "\"streams\":1,\"sent\":1023,\"received\":1610612736,\"seconds\":59}],"
        "\"streams\":{\"open\":1,\"opened\":20,\"refused\":2}}");

    (void)state;
    assert_string_equal(text, "instance      shop\n"
                              "trust domain  shop.example\n"
                              "state         running\n"
                              "up for        1h02m\n"
                              "version       0.1.0\n"
                              "process       7\n"
                              "workers       2\n"
                              "engine        mbedtls\n"
                              "\n"
                              "CERTIFICATE\n"
                              "id            spiffe://shop.example/instance/shop\n"
                              "serial        0abc\n"
                              "issuer        CN=ca\n"
                              "not before    2026-01-01T00:00:00Z\n"
                              "not after     2026-01-02T00:00:00Z\n"
                              "\n"
                              "OUTBOUNDS\n"
                              "NAME         LISTEN          REQUIRED  INSTANCE  INBOUND  ADDRESS   "
                              "      STREAMS  STATUS   REASON       DETAIL\n"
                              "db           127.0.0.1:3306  yes       mysql     sql      "
                              "10.0.0.7:15008  0        FAILED   unreachable  no answer\n"
                              "cache-store  127.0.0.1:1     no        -         -        -         "
                              "      12       WAITING  -            -\n"
                              "\n"
                              "INBOUNDS\n"
                              "NAME  TARGET        STREAMS\n"
                              "http  127.0.0.1:80  3\n"
                              "\n"
                              "TUNNELS\n"
                              "ID  SIDE    PEER   ADDRESS         STATE  AGE  STREAMS  SENT    "
                              "RECEIVED  TLS      CIPHER  ENGINE\n"
                              "1   source  mysql  10.0.0.7:15008  up     59s  1        1023 B  1.5 "
                              "GiB   TLSv1.3  X       gcrypt\n"
                              "\n"
                              "STREAMS\n"
                              "open          1\n"
                              "opened        20\n"
                              "refused       2\n");
    free(text);
}

static void shows_what_is_missing(void **state)
{
    char *text = print("{}");

    (void)state;
    assert_non_null(strstr(text, "instance      -\n"));
    assert_non_null(strstr(text, "OUTBOUNDS\n  none\n"));
    assert_non_null(strstr(text, "refused       -\n"));
    free(text);
    text = print("{\"tunnels\":[5,{}],\"inbounds\":\"x\",\"certificate\":[],\"streams\":null}");
    assert_non_null(strstr(text, "INBOUNDS\n  none\n"));
    assert_non_null(strstr(
        text, "\n-   -     -     -        -      -    -        -     -         -    -       -\n"));
    free(text);
}

static void assert_shown(const char *json, const char *expected)
{
    char *text = print(json);

    assert_non_null(strstr(text, expected));
    free(text);
}

static void shows_durations(void **state)
{
    (void)state;
    assert_shown("{\"uptime_seconds\":0}", "up for        0s\n");
    assert_shown("{\"uptime_seconds\":59.9}", "up for        59s\n");
    assert_shown("{\"uptime_seconds\":60}", "up for        1m00s\n");
    assert_shown("{\"uptime_seconds\":3600}", "up for        1h00m\n");
    assert_shown("{\"uptime_seconds\":86400}", "up for        1d00h\n");
    assert_shown("{\"uptime_seconds\":9000000}", "up for        104d04h\n");
}

static void lets_nothing_move_the_cursor(void **state)
{
    (void)state;
    assert_shown("{\"instance\":\"a\\u001b[2J\\n\\u007f\"}", "instance      a?[2J??\n");
}

static void cuts_long_cells(void **state)
{
    char json[1000];

    (void)state;
    memset(json, 'x', sizeof(json));
    memcpy(json, "{\"instance\":\"", 13);
    memcpy(json + 900, "\"}", 3);
    free(print(json));
}

static void shows_the_registry_and_several_addresses(void **state)
{
    char *text = print(
        "{\"registry\":{\"address\":\"registry.example:15010\",\"connected\":false,\"revision\":7,"
        "\"last_contact\":\"2026-01-01T00:00:00Z\",\"detail\":\"it is away\"},"
        "\"outbounds\":[{\"name\":\"db\",\"address\":\"10.0.0.7:1\",\"addresses\":[\"10.0.0.7:1\","
        "\"10.0.0.8:1\"],\"status\":\"ESTABLISHED\"}]}");

    (void)state;
    assert_non_null(strstr(text, "\nREGISTRY\n"
                                 "address       registry.example:15010\n"
                                 "connected     no\n"
                                 "revision      7\n"
                                 "last contact  2026-01-01T00:00:00Z\n"
                                 "detail        it is away\n"));
    assert_non_null(strstr(text, "  10.0.0.7:1,10.0.0.8:1  "));
    free(text);
    text = print("{\"registry\":null}");
    assert_null(strstr(text, "REGISTRY"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest status_table[] = {
        cmocka_unit_test(shows_the_registry_and_several_addresses),
        cmocka_unit_test(prints_a_whole_status),
        cmocka_unit_test(shows_what_is_missing),
        cmocka_unit_test(shows_durations),
        cmocka_unit_test(lets_nothing_move_the_cursor),
        cmocka_unit_test(cuts_long_cells),
    };

    return cmocka_run_group_tests(status_table, NULL, NULL);
}
