#include "appnet/sidecar/credentials.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/identity/authority.h"
#include "sidecar_support.h"
#include "support.h"

#define TRUST_DOMAIN "shop.example"
#define LIFE 1000 /* seconds that a certificate is good */

/* How far the clock on the wall has been set. The other clock goes on as ever. */
static time_t set_by;

/* In place of the C library's. */
time_t time(time_t *out)
{
    struct timespec now;

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    now.tv_sec += set_by;
    if (out) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

/* Credentials with a certificate in their folder and no join token, and a registry's port, at which
 * somebody who wants a new one can be seen. */
struct bench {
    struct loop *loop;
    struct config *config;
    struct handshaker *handshaker;
    struct credentials *credentials;
    int registry;
    unsigned taken; /* certificates */
    bool asked;
};

static void on_changed(void *argument, const struct identity *identity)
{
    struct bench *bench = argument;
    struct error err = ERROR_INIT;

    bench->taken++;
    if (handshaker_set_identity(bench->handshaker, identity, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct error err = ERROR_INIT;
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    set_by = 0;
    bench->loop = loop_new("test", NULL);
    bench->handshaker = handshaker_new(1, NULL, &err);
    bench->config = support_config("state_dir = \"state\";", &err);
    if (!bench->config ||
        (access("ca", F_OK) != 0 && authority_init("ca", TRUST_DOMAIN, &err) != 0) ||
        authority_issue("ca", "shop", LIFE, bench->config->state_dir, &err) != 0) {
        fail_msg("%s", err.text);
    }
    bench->registry = support_listen(&address);
    assert_int_equal(fcntl(bench->registry, F_SETFL, O_NONBLOCK), 0);
    address_format(&address, text, sizeof text);
    free(bench->config->registry.address);
    bench->config->registry.address = memory_strdup(text);
    bench->credentials =
        credentials_new(bench->loop, bench->handshaker, bench->config, on_changed, bench);
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;

    credentials_free(bench->credentials);
    handshaker_free(bench->handshaker);
    loop_drain(bench->loop);
    loop_free(bench->loop);
    config_free(bench->config);
    close(bench->registry);
    free(bench);
    return 0;
}

static void turn_for(struct bench *bench, int milliseconds)
{
    int64_t until = loop_now() + (int64_t)milliseconds * 1000;

    while (loop_now() < until) {
        event_base_loop(loop_base(bench->loop), EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

static bool is_asked(void *argument)
{
    struct bench *bench = argument;
    int fd = accept4(bench->registry, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        bench->asked = true;
    }
    return bench->asked;
}

/* A machine that slept, or whose clock was set: half of the certificate's life is over when the
 * clock on the wall says so, however long the program has run. */
static void renewal_goes_by_the_clock_on_the_wall(void **state)
{
    struct bench *bench = *state;

    credentials_start(bench->credentials);
    assert_int_equal(bench->taken, 1);
    turn_for(bench, 300);
    assert_false(is_asked(bench));
    set_by += LIFE * 7 / 10;
    support_turn_until(loop_base(bench->loop), is_asked, bench);
}

static bool has_taken(void *argument)
{
    return ((const struct bench *)argument)->taken > 0;
}

/* A machine without a battery for its clock, which NTP sets when everything has started. */
static void certificate_that_is_not_good_yet_is_taken_when_it_is(void **state)
{
    struct bench *bench = *state;

    set_by = -LIFE * 1000;
    credentials_start(bench->credentials);
    turn_for(bench, 500);
    assert_int_equal(bench->taken, 0);
    assert_null(credentials_identity(bench->credentials));
    assert_non_null(credentials_trouble(bench->credentials));
    set_by = 0;
    support_turn_until(loop_base(bench->loop), has_taken, bench);
    assert_null(credentials_trouble(bench->credentials));
    assert_false(is_asked(bench));
    set_by += LIFE * 7 / 10;
    support_turn_until(loop_base(bench->loop), is_asked, bench);
}

int main(void)
{
    const struct CMUnitTest credentials[] = {
        cmocka_unit_test_setup_teardown(renewal_goes_by_the_clock_on_the_wall, begin, end),
        cmocka_unit_test_setup_teardown(certificate_that_is_not_good_yet_is_taken_when_it_is, begin,
                                        end),
    };

    return cmocka_run_group_tests(credentials, support_enter_folder, support_leave_folder);
}
