#include "../../src/cli/outbound_environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int set(const char *status, struct error *err)
{
    json_t *value = json_loads(status, 0, NULL);
    int rc;

    assert_non_null(value);
    rc = outbound_environment_set(value, err);
    json_decref(value);
    return rc;
}

static void assert_variable(const char *name, const char *expected)
{
    const char *value = getenv(name);

    if (expected) {
        assert_non_null(value);
        assert_string_equal(value, expected);
    } else {
        assert_null(value);
    }
}

static void says_where_each_is(void **state)
{
    (void)state;
    assert_int_equal(set("{\"outbounds\":[{\"name\":\"db\",\"listen\":\"127.0.0.1:3306\"},"
                         "{\"name\":\"log-2\",\"listen\":\"[::1]:514\"},"
                         "{\"name\":\"any4\",\"listen\":\"0.0.0.0:1\"},"
                         "{\"name\":\"any6\",\"listen\":\"[::]:2\"}]}",
                         NULL),
                     0);
    assert_variable("APPNET_OUTBOUND_DB", "127.0.0.1:3306");
    assert_variable("APPNET_OUTBOUND_DB_HOST", "127.0.0.1");
    assert_variable("APPNET_OUTBOUND_DB_PORT", "3306");
    assert_variable("APPNET_OUTBOUND_LOG_2", "[::1]:514");
    assert_variable("APPNET_OUTBOUND_LOG_2_HOST", "::1");
    assert_variable("APPNET_OUTBOUND_LOG_2_PORT", "514");
    assert_variable("APPNET_OUTBOUND_ANY4", "127.0.0.1:1");
    assert_variable("APPNET_OUTBOUND_ANY6", "[::1]:2");
}

/* What is left from elsewhere would lead astray. */
static void one_that_does_not_listen_has_none(void **state)
{
    (void)state;
    setenv("APPNET_OUTBOUND_OFF", "old", 1);
    setenv("APPNET_OUTBOUND_OFF_PORT", "1", 1);
    assert_int_equal(set("{\"outbounds\":[{\"name\":\"off\",\"listen\":null},{\"name\":\"Odd=\","
                         "\"listen\":\"1.2.3.4:5\"},{},3]}",
                         NULL),
                     0);
    assert_variable("APPNET_OUTBOUND_OFF", NULL);
    assert_variable("APPNET_OUTBOUND_OFF_PORT", NULL);
    assert_variable("APPNET_OUTBOUND_ODD", NULL);
}

/* Names that begin alike. */
static void names_that_mean_the_same_are_refused(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(set("{\"outbounds\":[{\"name\":\"a-port\",\"listen\":\"127.0.0.1:1\"},"
                         "{\"name\":\"a\",\"listen\":\"127.0.0.1:2\"}]}",
                         &err),
                     -1);
    assert_string_equal(err.text, "outbounds a and a-port would both set APPNET_OUTBOUND_A_PORT "
                                  "for the application: rename one of them");
    assert_variable("APPNET_OUTBOUND_A", NULL);
    assert_int_equal(set("{\"outbounds\":[{\"name\":\"b\",\"listen\":\"127.0.0.1:1\"},"
                         "{\"name\":\"b-host\",\"listen\":\"127.0.0.1:2\"}]}",
                         &err),
                     -1);
    assert_int_equal(set("{\"outbounds\":[{\"name\":\"c\",\"listen\":\"127.0.0.1:1\"},"
                         "{\"name\":\"c-2\",\"listen\":\"127.0.0.1:2\"},"
                         "{\"name\":\"cc\",\"listen\":\"127.0.0.1:3\"}]}",
                         &err),
                     0);
    assert_variable("APPNET_OUTBOUND_C", "127.0.0.1:1");
    assert_variable("APPNET_OUTBOUND_C_2", "127.0.0.1:2");
    assert_variable("APPNET_OUTBOUND_CC", "127.0.0.1:3");
}

int main(void)
{
    const struct CMUnitTest outbound_environment[] = {
        cmocka_unit_test(says_where_each_is),
        cmocka_unit_test(one_that_does_not_listen_has_none),
        cmocka_unit_test(names_that_mean_the_same_are_refused),
    };

    return cmocka_run_group_tests(outbound_environment, NULL, NULL);
}
