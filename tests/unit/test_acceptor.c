#include "appnet/base/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "support.h"

#define GROUP 4
#define CLIENTS 64

struct door {
    unsigned accepted, wanted;
    bool proper; /* every socket was non-blocking and close-on-exec */
};

static void on_accepted(void *argument, int fd)
{
    struct door *door = argument;

    door->accepted++;
    if (!(fcntl(fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
        door->proper = false;
    close(fd);
}

static bool all_accepted(void *argument)
{
    const struct door *door = argument;

    return door->accepted >= door->wanted;
}

static void assert_conflict(const struct address *address, unsigned count)
{
    struct error err = ERROR_INIT;
    char expected[ERROR_TEXT_SIZE];
    unsigned before = support_open_descriptors();
    int fds[GROUP];

    assert_int_equal(acceptor_open(address, fds, count, &err), -1);
    snprintf(expected, sizeof(expected), "cannot listen on 127.0.0.1:%u: Address already in use",
             address->port);
    assert_string_equal(err.text, expected);
    assert_int_equal(support_open_descriptors(), before);
}

static void finds_another_socket_in_its_place(void **state)
{
    struct address address;
    int other = support_listen(&address);

    (void)state;
    assert_conflict(&address, 1);
    assert_conflict(&address, GROUP);
    close(other);
}

static void finds_another_that_would_share_the_port(void **state)
{
    struct address address;
    int fds[GROUP];

    (void)state;
    support_free_address(&address);
    assert_int_equal(acceptor_open(&address, fds, GROUP, NULL), 0);
    assert_conflict(&address, 1);
    assert_conflict(&address, GROUP);
    for (int i = 0; i < GROUP; i++)
        close(fds[i]);
}

static void is_not_held_up_by_past_connections(void **state)
{
    struct address address;
    struct error err = ERROR_INIT;
    int first;
    int second;
    int client;
    int served;

    (void)state;
    support_free_address(&address);
    assert_int_equal(acceptor_open(&address, &first, 1, NULL), 0);
    client = support_connect(&address);
    served = accept(first, NULL, NULL);
    assert_true(served >= 0);
    close(served); /* first to close: its address stays in TIME_WAIT */
    close(client);
    close(first);
    if (acceptor_open(&address, &second, 1, &err) != 0)
        fail_msg("%s", err.text);
    close(second);
}

static void says_what_it_could_not_look_up(void **state)
{
    struct address address = {.host = "no such host", .port = 80};
    struct error err = ERROR_INIT;
    int fd;

    (void)state;
    assert_int_equal(acceptor_open(&address, &fd, 1, &err), -1);
    assert_non_null(strstr(err.text, "no such host"));
}

static void spreads_connections_over_a_group(void **state)
{
    struct event_base *base = support_base();
    struct door door = {.wanted = CLIENTS, .proper = true};
    struct acceptor *acceptors[GROUP];
    struct address address;
    int clients[CLIENTS];
    int fds[GROUP];

    (void)state;
    support_free_address(&address);
    assert_int_equal(acceptor_open(&address, fds, GROUP, NULL), 0);
    for (int i = 0; i < GROUP; i++) {
        acceptors[i] = acceptor_new(base, fds[i], on_accepted, &door, NULL);
        assert_non_null(acceptors[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = support_connect(&address);
    support_turn_until(base, all_accepted, &door);
    support_turn_quiet(base);
    assert_int_equal(door.accepted, CLIENTS);
    assert_true(door.proper);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    for (int i = 0; i < GROUP; i++)
        acceptor_free(acceptors[i]);
    event_base_free(base);
}

static void closes_its_socket(void **state)
{
    struct event_base *base = support_base();
    struct address address;
    int fd = support_listen(&address);
    struct door door = {0};
    unsigned before = support_open_descriptors();

    (void)state;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    acceptor_free(acceptor_new(base, fd, on_accepted, &door, NULL));
    acceptor_free(NULL);
    assert_int_equal(support_open_descriptors(), before - 1);
    event_base_free(base);
}

/* ---- without descriptors ---- */

static unsigned lines_in(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1000];
    unsigned count = 0;

    while (file && fgets(line, sizeof(line), file))
        count += strstr(line, "WARN accepting paused") || strstr(line, "warn accepting paused");
    if (file)
        fclose(file);
    return count;
}

/* In a process of its own; returns 0 or the number of the step that failed. */
static int run_out_of_descriptors(void)
{
    const struct rlimit few = {64, 64};
    struct event_base *base = event_base_new();
    struct door door = {.wanted = 3, .proper = true};
    struct acceptor *acceptor;
    struct address address;
    int fd = support_listen(&address);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    int filler[64];
    int filled = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        return 1;
    acceptor = acceptor_new(base, fd, on_accepted, &door, NULL);
    for (unsigned i = 0; i < door.wanted; i++)
        support_connect(&address);
    if (!acceptor || setrlimit(RLIMIT_NOFILE, &few) != 0)
        return 2;
    while (filled < 64 && (filler[filled] = dup(log)) >= 0)
        filled++;
    /* Each turn of a loop that spins would write a line; one that pauses has another at most. */
    for (int turn = 0; turn < 4; turn++)
        event_base_loop(base, EVLOOP_ONCE);
    if (door.accepted != 0)
        return 3;
    while (filled > 0)
        close(filler[--filled]);
    if (lines_in("log") < 1 || lines_in("log") > 2)
        return 4;
    for (int turn = 0; turn < 100 && door.accepted < door.wanted; turn++)
        event_base_loop(base, EVLOOP_ONCE);
    if (door.accepted != door.wanted || !door.proper)
        return 5;
    acceptor_free(acceptor);
    event_base_free(base);
    return 0;
}

static void pauses_when_descriptors_run_out(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_out_of_descriptors());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest acceptor[] = {
        cmocka_unit_test(finds_another_socket_in_its_place),
        cmocka_unit_test(finds_another_that_would_share_the_port),
        cmocka_unit_test(is_not_held_up_by_past_connections),
        cmocka_unit_test(says_what_it_could_not_look_up),
        cmocka_unit_test(spreads_connections_over_a_group),
        cmocka_unit_test(closes_its_socket),
        cmocka_unit_test(pauses_when_descriptors_run_out),
    };

    return cmocka_run_group_tests(acceptor, support_enter_folder, support_leave_folder);
}
