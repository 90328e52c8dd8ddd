#include "../../src/cli/sidecar_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"

static char folder[] = "/tmp/appnet-test-XXXXXX";

static int enter_folder(void **state)
{
    (void)state;
    unsetenv("APPNET_SIDECAR");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

static void assert_found(const char *given, const char *where, const char *expected)
{
    struct error err = ERROR_INIT;
    char *socket = sidecar_find(given, where, &err);

    assert_non_null(socket);
    assert_string_equal(socket, expected);
    free(socket);
}

static void finds_the_socket(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(sidecar_find(NULL, "none", &err));
    assert_string_equal(err.text,
                        "there is no sidecar in none: name its socket by --sidecar SOCKET");
    assert_int_equal(file_make_folder("run", 0700, NULL), 0);
    assert_null(sidecar_find(NULL, "run", &err));
    assert_true(sidecar_may_come(NULL, "none"));
    assert_true(sidecar_may_come(NULL, "run"));
    assert_int_equal(file_write("run/a.sock", "", 0, 0600, false, NULL), 0);
    assert_int_equal(file_write("run/other", "", 0, 0600, false, NULL), 0);
    assert_found(NULL, "run", "run/a.sock");
    assert_int_equal(file_write("run/b.sock", "", 0, 0600, false, NULL), 0);
    assert_null(sidecar_find(NULL, "run", &err));
    assert_string_equal(err.text, "there are 2 sidecars in run: choose one by --sidecar SOCKET");
    assert_false(sidecar_may_come(NULL, "run"));
    assert_true(sidecar_may_come("run/a.sock", "run"));
    setenv("APPNET_SIDECAR", "", 1);
    assert_null(sidecar_find(NULL, "run", &err));
    setenv("APPNET_SIDECAR", "/from/environment", 1);
    assert_found(NULL, "run", "/from/environment");
    assert_found("/given", "run", "/given");
    unsetenv("APPNET_SIDECAR");
}

/* A sidecar that gives one answer, whatever it is asked. */
struct server {
    int listener;
    const char *answer;
    char request[1000];
    pthread_t thread;
};

static void *serve(void *argument)
{
    struct server *server = argument;
    int fd = accept(server->listener, NULL, NULL);
    size_t used = 0;

    while (used + 1 < sizeof(server->request) && !strstr(server->request, "\r\n\r\n")) {
        ssize_t got = read(fd, server->request + used, sizeof(server->request) - 1 - used);

        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (write(fd, server->answer, strlen(server->answer)) < 0)
        server->request[0] = '\0';
    close(fd);
    return NULL;
}

/* The answer's body as the client hands it over; the caller frees it. */
static char *ask(const char *answer, char *request, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s.sock"};
    struct server server = {.listener = socket(AF_UNIX, SOCK_STREAM, 0), .answer = answer};
    char *text;

    unlink("s.sock");
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server.listener, 1), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
    text = sidecar_get("s.sock", "/status", 5000, err);
    pthread_join(server.thread, NULL);
    close(server.listener);
    if (request)
        strcpy(request, server.request);
    return text;
}

static void gets_an_answer(void **state)
{
    struct error err = ERROR_INIT;
    char request[1000];
    char *text = ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", request, &err);

    (void)state;
    assert_non_null(text);
    assert_string_equal(text, "hello");
    assert_memory_equal(request, "GET /status HTTP/1.1\r\n", 22);
    free(text);
    text = ask("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, &err);
    assert_string_equal(text, "");
    free(text);
}

static void goes_through_no_proxy(void **state)
{
    char *text;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    text = ask("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", NULL, NULL);
    unsetenv("http_proxy");
    assert_non_null(text);
    free(text);
}

static void says_why_there_is_no_answer(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(sidecar_get("none.sock", "/status", 5000, &err));
    assert_string_equal(err.text, "the sidecar at none.sock does not answer: No such file or "
                                  "directory; does it run?");
    assert_null(ask("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", NULL, &err));
    assert_string_equal(err.text, "the sidecar at s.sock answered /status with HTTP status 404");
    assert_null(ask("", NULL, &err));
    assert_non_null(strstr(err.text, "the sidecar at s.sock does not answer: "));
    assert_null(ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut", NULL, &err));
    assert_non_null(strstr(err.text, "the sidecar at s.sock does not answer: "));
}

int main(void)
{
    const struct CMUnitTest sidecar_client[] = {
        cmocka_unit_test(finds_the_socket),
        cmocka_unit_test(gets_an_answer),
        cmocka_unit_test(goes_through_no_proxy),
        cmocka_unit_test(says_why_there_is_no_answer),
    };

    return cmocka_run_group_tests(sidecar_client, enter_folder, leave_folder);
}
