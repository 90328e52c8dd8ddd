#include "appnet/sidecar/lookout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "support.h"

#define SOCKETS 600 /* more than are looked at by one call */

struct post {
    struct lookout *lookout;
    struct lookout_place place;
    int ends[2];
    unsigned broken;
};

static void on_broken(void *owner)
{
    struct post *post = owner;

    post->broken++;
    lookout_remove(&post->place);
}

static void reset(int fd)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

static bool all_are_found(void *argument)
{
    const struct post *posts = argument;

    for (unsigned i = 0; i < SOCKETS; i += 3) {
        if (posts[i].broken == 0) {
            return false;
        }
    }
    return true;
}

/* Those that are reset, not those that have ended or have something to say. */
static void finds_the_broken_ones(void **state)
{
    static struct post posts[SOCKETS];
    struct event_base *base = support_base();
    struct lookout lookout;

    (void)state;
    lookout_init(&lookout, base, on_broken);
    for (unsigned i = 0; i < SOCKETS; i++) {
        support_tcp_pair(posts[i].ends);
        lookout_add(&lookout, &posts[i].place, posts[i].ends[0], &posts[i]);
        lookout_add(&lookout, &posts[i].place, posts[i].ends[0], &posts[i]);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        switch (i % 3) {
        case 0:
            reset(posts[i].ends[1]);
            break;
        case 1:
            shutdown(posts[i].ends[0], SHUT_WR);
            close(posts[i].ends[1]);
            break;
        default:
            assert_int_equal(send(posts[i].ends[1], "x", 1, 0), 1);
        }
    }
    support_turn_until(base, all_are_found, posts);
    for (unsigned i = 0; i < SOCKETS; i++) {
        assert_int_equal(posts[i].broken, i % 3 == 0);
        lookout_remove(&posts[i].place);
        lookout_remove(&posts[i].place);
        close(posts[i].ends[0]);
        if (i % 3 == 2) {
            close(posts[i].ends[1]);
        }
    }
    lookout_clear(&lookout);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest lookout[] = {
        cmocka_unit_test(finds_the_broken_ones),
    };

    return cmocka_run_group_tests(lookout, NULL, NULL);
}
