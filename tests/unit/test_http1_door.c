#include "appnet/http/http1_door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_support.h"
#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"
#define PATIENCE_SECONDS 20

/* A door on a thread of its own; the test is its clients. */
struct scene {
    struct support_service service;
    struct http1_door *door;
    struct address address;
};

static void scene_make(struct scene *scene)
{
    struct http_handler handler;
    struct error err = ERROR_INIT;
    int fd;

    memset(scene, 0, sizeof *scene);
    scene->service.loop = loop_new("door", &err);
    assert_non_null(scene->service.loop);
    handler = support_service_handler(&scene->service);
    fd = support_listen(&scene->address);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    scene->door = http1_door_new(loop_base(scene->service.loop), fd, &handler, &err);
    if (!scene->door) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(loop_start(scene->service.loop, &err), 0);
}

static void scene_free(struct scene *scene)
{
    loop_stop(scene->service.loop);
    loop_join(scene->service.loop);
    http1_door_free(scene->door);
    assert_int_equal(atomic_load(&scene->service.open), 0);
    loop_free(scene->service.loop);
}

/* Waits until `counter` is `wanted`. */
static void wait_for(atomic_uint *counter, unsigned wanted)
{
    for (int i = 0; i < PATIENCE_SECONDS * 100; i++) {
        if (atomic_load(counter) == wanted) {
            return;
        }
        usleep(10000);
    }
    fail_msg("it is %u, not %u", atomic_load(counter), wanted);
}

static int client(struct scene *scene)
{
    const struct timeval patience = {PATIENCE_SECONDS, 0};
    int fd = support_connect(&scene->address);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* An answer, as far as it has come. */
struct answer {
    char *text;        /* from malloc */
    size_t size, head; /* of it, and of its head; 0: that is not whole */
    bool ended;        /* the door said that it says no more */
};

static bool read_more(int fd, struct answer *answer)
{
    ssize_t n;

    answer->text = realloc(answer->text, answer->size + 65536 + 1);
    n = recv(fd, answer->text + answer->size, 65536, 0);
    if (n <= 0) {
        assert_true(n == 0 || errno == ECONNRESET);
        answer->ended = true;
        n = 0;
    }
    answer->size += (size_t)n;
    answer->text[answer->size] = '\0';
    return n > 0;
}

/* Its head and the body that this announces, not a byte more. */
static struct answer hear(int fd)
{
    struct answer answer = {0};
    const char *found;
    size_t wanted = 0;

    /* byte by byte as far as the head goes, so that a next answer stays where it is */
    while (!answer.ended && answer.head == 0) {
        answer.text = realloc(answer.text, answer.size + 2);
        answer.ended = recv(fd, answer.text + answer.size, 1, 0) != 1;
        answer.size += !answer.ended;
        answer.text[answer.size] = '\0';
        if (answer.size >= 4 && strcmp(answer.text + answer.size - 4, "\r\n\r\n") == 0) {
            answer.head = answer.size;
        }
    }
    if ((found = strstr(answer.text, "Content-Length: "))) {
        wanted = strtoul(found + 16, NULL, 10);
    }
    while (!answer.ended && answer.size < answer.head + wanted) {
        size_t left = answer.head + wanted - answer.size;
        ssize_t n;
        answer.text = realloc(answer.text, answer.size + left + 1);
        n = recv(fd, answer.text + answer.size, left, 0);
        answer.ended = n <= 0;
        answer.size += n > 0 ? (size_t)n : 0;
        answer.text[answer.size] = '\0';
    }
    return answer;
}

static struct answer hear_to_the_end(int fd)
{
    struct answer answer = {0};
    const char *found;

    while (read_more(fd, &answer)) {
        continue;
    }
    if ((found = strstr(answer.text, "\r\n\r\n"))) {
        answer.head = (size_t)(found + 4 - answer.text);
    }
    return answer;
}

static void assert_status(const struct answer *answer, unsigned status)
{
    char expected[32];

    snprintf(expected, sizeof expected, "HTTP/1.1 %u ", status);
    if (strncmp(answer->text, expected, strlen(expected)) != 0) {
        fail_msg("not %u: %s", status, answer->text);
    }
}

static void assert_heard(int fd, unsigned status, const char *body)
{
    struct answer answer = hear(fd);

    assert_status(&answer, status);
    assert_string_equal(answer.text + answer.head, body);
    free(answer.text);
}

/* Says it on a connection of its own; the answer is a refusal, in JSON, and the last. */
static void assert_refused(struct scene *scene, const char *text, unsigned status, const char *code)
{
    int fd = client(scene);
    struct answer answer;
    char expected[64];

    say(fd, text);
    answer = hear_to_the_end(fd);
    assert_status(&answer, status);
    assert_non_null(strstr(answer.text, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(answer.text, "Connection: close\r\n"));
    snprintf(expected, sizeof expected, "\"code\":\"%s\"", code);
    if (!strstr(answer.text, expected)) {
        fail_msg("no %s: %s", expected, answer.text);
    }
    free(answer.text);
    close(fd);
}

/* ---- requests and answers ---- */

static void answers_one_request_after_another(void **state)
{
    struct scene scene;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/echo?a=b%20c"));
    assert_heard(fd, 200, "GET /echo?a=b%20c ");
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert_heard(fd, 200, "POST /echo? hello");
    say(fd, "PUT /later HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi");
    assert_heard(fd, 200, "PUT /later? hi");
    say(fd, "DELETE /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_heard(fd, 204, "");
    say(fd, GET("/echo"));
    assert_heard(fd, 200, "GET /echo? ");
    close(fd);
    scene_free(&scene);
}

static void answers_in_order_what_came_at_once(void **state)
{
    struct scene scene;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/later?1") GET("/echo?2") "POST /later?3 HTTP/1.1\r\nHost: x\r\n"
                                           "Content-Length: 1\r\n\r\nx\r\n\r\n" GET("/echo?4"));
    assert_heard(fd, 200, "GET /later?1 ");
    assert_heard(fd, 200, "GET /echo?2 ");
    assert_heard(fd, 200, "POST /later?3 x");
    assert_heard(fd, 200, "GET /echo?4 ");
    close(fd);
    scene_free(&scene);
}

static void takes_what_comes_byte_by_byte(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    struct scene scene;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    for (size_t i = 0; text[i] != '\0'; i++) {
        assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
        usleep(i % 8 == 0 ? 1000 : 0);
    }
    assert_heard(fd, 200, "POST /echo? abcde");
    close(fd);
    scene_free(&scene);
}

static void passes_header_fields_both_ways(void **state)
{
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, "GET /echo HTTP/1.1\r\nhOST: x\r\nx-tESt:  a b\t\r\n\r\n");
    answer = hear(fd);
    assert_status(&answer, 200);
    assert_non_null(strstr(answer.text, "\r\nX-Test: a b\r\n"));
    assert_non_null(strstr(answer.text, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(answer.text, "\r\nDate: "));
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

static void answers_head_without_a_body(void **state)
{
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, "HEAD /size?100 HTTP/1.1\r\nHost: x\r\n\r\n" GET("/echo"));
    answer = (struct answer){0};
    while (!strstr(answer.text ? answer.text : "", "GET /echo? ")) {
        assert_true(read_more(fd, &answer));
    }
    assert_non_null(strstr(answer.text, "Content-Length: 100\r\n"));
    assert_non_null(strstr(answer.text, "\r\n\r\nHTTP/1.1 200 "));
    free(answer.text);
    /* an answer that would go on for ever has a head, too, and the connection is free again */
    say(fd, "HEAD /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_heard(fd, 200, "");
    wait_for(&scene.service.closed, 1);
    say(fd, GET("/echo"));
    assert_heard(fd, 200, "GET /echo? ");
    close(fd);
    scene_free(&scene);
}

static void sends_large_answers_whole(void **state)
{
    const size_t size = 20 << 20;
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/size?20971520"));
    answer = hear(fd);
    assert_int_equal(answer.size - answer.head, size);
    for (size_t i = 0; i < size; i++) {
        if (answer.text[answer.head + i] != support_pattern(i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
    free(answer.text);
    say(fd, GET("/echo"));
    assert_heard(fd, 200, "GET /echo? ");
    close(fd);
    scene_free(&scene);
}

static void answers_bit_by_bit(void **state)
{
    struct scene scene;
    struct answer answer = {0};
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/lines?3"));
    while (!strstr(answer.text ? answer.text : "", "\r\n0\r\n\r\n")) {
        assert_true(read_more(fd, &answer));
    }
    assert_non_null(strstr(answer.text, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(answer.text, "\r\n\r\n2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n"));
    free(answer.text);
    say(fd, GET("/echo"));
    assert_heard(fd, 200, "GET /echo? ");
    close(fd);
    scene_free(&scene);
}

static void closes_when_the_client_wants_it(void **state)
{
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n" GET("/echo?2"));
    answer = hear_to_the_end(fd);
    assert_non_null(strstr(answer.text, "GET /echo? "));
    assert_null(strstr(answer.text, "?2"));
    free(answer.text);
    close(fd);
    fd = client(&scene);
    say(fd, "GET /lines?2 HTTP/1.0\r\n\r\n");
    answer = hear_to_the_end(fd);
    assert_string_equal(answer.text + answer.head, "0\n1\n");
    assert_null(strstr(answer.text, "chunked"));
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

/* As `nc -N` does. */
static void answers_a_client_that_has_said_all(void **state)
{
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/later?1") GET("/later?2"));
    shutdown(fd, SHUT_WR);
    answer = hear_to_the_end(fd);
    assert_non_null(strstr(answer.text, "GET /later?1 "));
    assert_non_null(strstr(answer.text, "GET /later?2 "));
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

static void says_that_a_body_is_welcome(void **state)
{
    struct scene scene;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_heard(fd, 100, "");
    say(fd, "hi");
    assert_heard(fd, 200, "POST /echo? hi");
    close(fd);
    assert_refused(&scene,
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
                   "Expect: 100-continue\r\n\r\n",
                   413, "body-too-large");
    scene_free(&scene);
}

/* ---- clients that ask for too much ---- */

/* Sends until all is sent or the door has answered and closed; how much was sent. */
static size_t push(int fd, size_t size)
{
    static const char zeros[65536];
    size_t sent = 0;

    while (sent < size) {
        size_t piece = size - sent < sizeof zeros ? size - sent : sizeof zeros;
        ssize_t n = send(fd, zeros, piece, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
        sent += (size_t)n;
    }
    return sent;
}

static void refuses_bodies_that_are_too_large(void **state)
{
    struct scene scene;
    struct answer answer;
    char head[128];
    int fd;

    (void)state;
    scene_make(&scene);
    /* as large as it may be */
    fd = client(&scene);
    snprintf(head, sizeof head, "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
             HTTP_BODY_MAX);
    say(fd, head);
    assert_int_equal(push(fd, HTTP_BODY_MAX), HTTP_BODY_MAX);
    assert_heard(fd, 204, "");
    /* announced, and sent: the client hears why although it sends it all first */
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n");
    push(fd, 10 << 20);
    answer = hear_to_the_end(fd);
    assert_status(&answer, 413);
    assert_non_null(strstr(answer.text, "application/problem+json"));
    assert_non_null(strstr(answer.text, "\"code\":\"body-too-large\""));
    free(answer.text);
    close(fd);
    /* in chunks, unannounced */
    fd = client(&scene);
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nA00000\r\n");
    push(fd, 10 << 20);
    answer = hear_to_the_end(fd);
    assert_status(&answer, 413);
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

static void refuses_heads_that_are_too_large(void **state)
{
    struct scene scene;
    char text[HTTP_HEADERS_MAX + 200];
    char *at = text;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    memset(text, 'a', sizeof text);
    at += sprintf(at, "GET /nothing HTTP/1.1\r\nHost: x\r\nX: ");
    *at = 'a';
    strcpy(text + HTTP_HEADERS_MAX - 4, "\r\n\r\n");
    say(fd, text);
    assert_heard(fd, 204, "");
    close(fd);
    memset(text + 100, 'a', sizeof text - 100);
    strcpy(text + HTTP_HEADERS_MAX - 3, "\r\n\r\n");
    assert_refused(&scene, text, 431, "headers-too-large");
    memset(text + 100, 'a', sizeof text - 100);
    text[HTTP_HEADERS_MAX + 100] = '\0'; /* and no end */
    assert_refused(&scene, text, 431, "headers-too-large");
    scene_free(&scene);
}

static void refuses_what_is_no_request(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    assert_refused(&scene, "hello\r\n\r\n", 400, "malformed");
    assert_refused(&scene, "GET / HTTP/1.1\r\n\r\n", 400, "malformed");
    assert_refused(&scene, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "malformed");
    assert_refused(&scene, "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed");
    assert_refused(&scene,
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n",
                   400, "malformed");
    assert_refused(&scene, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                   400, "malformed");
    assert_int_equal(atomic_load(&scene.service.requests), 0);
    scene_free(&scene);
}

/* ---- clients that are slow ---- */

/* Three who drip: in the head, in the body, and one who says nothing. The door cuts them after ten
 * seconds whatever they send, and serves another meanwhile. */
static void cuts_requests_that_do_not_come(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    struct scene scene;
    struct answer answer;
    int64_t began = loop_now();
    int fds[3];
    int well;

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < 3; i++) {
        fds[i] = client(&scene);
    }
    well = client(&scene);
    say(fds[0], head);
    say(fds[1], "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    while (loop_now() - began < (HTTP_REQUEST_SECONDS + 1) * INT64_C(1000000)) {
        send(fds[0], "a", 1, MSG_NOSIGNAL);
        send(fds[1], "a", 1, MSG_NOSIGNAL);
        say(well, GET("/echo"));
        assert_heard(well, 200, "GET /echo? ");
        usleep(500000);
    }
    for (int i = 0; i < 2; i++) {
        answer = hear_to_the_end(fds[i]);
        assert_status(&answer, 408);
        free(answer.text);
    }
    answer = hear_to_the_end(fds[2]);
    assert_int_equal(answer.size, 0);
    free(answer.text);
    assert_true(loop_now() - began < (HTTP_REQUEST_SECONDS + 4) * INT64_C(1000000));
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    close(well);
    scene_free(&scene);
}

static void cuts_a_reader_who_leaves_too_much_lying(void **state)
{
    struct scene scene;
    int fd;
    int other;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    other = client(&scene);
    say(fd, GET("/flood"));
    wait_for(&scene.service.cut, 1);
    wait_for(&scene.service.closed, 1);
    say(other, GET("/echo"));
    assert_heard(other, 200, "GET /echo? ");
    close(fd);
    close(other);
    scene_free(&scene);
}

/* Nor does he hear on when he reads after all: something is missing behind what was kept. */
static void cuts_a_reader_who_comes_too_late(void **state)
{
    struct scene scene;
    struct answer answer;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/overflow"));
    wait_for(&scene.service.closed, 1);
    assert_int_equal(atomic_load(&scene.service.cut), 1);
    answer = hear_to_the_end(fd);
    assert_true(answer.size < answer.head + HTTP_BACKLOG_MAX);
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

static void hears_that_a_client_has_gone(void **state)
{
    struct scene scene;
    struct answer answer = {0};
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/endless"));
    while (!strstr(answer.text ? answer.text : "", "\n1\n") && answer.size < 300) {
        assert_true(read_more(fd, &answer));
    }
    free(answer.text);
    close(fd);
    wait_for(&scene.service.closed, 1);
    wait_for(&scene.service.open, 0);
    /* before it was answered: with a reset, since it has not read all */
    fd = client(&scene);
    say(fd, GET("/hold"));
    wait_for(&scene.service.open, 1);
    {
        const struct linger at_once = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(fd);
    wait_for(&scene.service.closed, 2);
    scene_free(&scene);
}

/* What a client says while its answer goes on is not read without end. */
static void reads_little_ahead(void **state)
{
    const size_t much = 256 << 20;
    struct scene scene;
    struct answer answer;
    size_t sent = 0;
    clock_t before;
    int fd;

    (void)state;
    scene_make(&scene);
    fd = client(&scene);
    say(fd, GET("/hold"));
    wait_for(&scene.service.open, 1);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (int idle = 0; idle < 20 && sent < much; idle++) {
        size_t now = push(fd, much - sent);
        idle = now > 0 ? 0 : idle;
        sent += now;
        usleep(10000);
    }
    assert_true(sent < much);
    /* and the door does not turn round and round about what it does not read */
    before = clock();
    usleep(500000);
    assert_true(clock() - before < CLOCKS_PER_SEC / 4);
    /* what it has read is not lost */
    loop_post(scene.service.loop, support_release, &scene.service);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_heard(fd, 200, "GET /hold? ");
    answer = hear_to_the_end(fd);
    assert_status(&answer, 431);
    free(answer.text);
    close(fd);
    scene_free(&scene);
}

/* ---- many clients ---- */

static void at_its_limit_the_idle_give_way(void **state)
{
    const struct rlimit many = {8192, 8192};
    struct scene scene;
    int *fds = calloc(HTTP_CONNECTIONS_MAX + 1, sizeof *fds);
    struct pollfd waiting;
    struct answer answer;

    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &many) != 0) {
        skip();
    }
    scene_make(&scene);
    /* the first is idle, all others are busy */
    fds[0] = client(&scene);
    say(fds[0], GET("/echo"));
    assert_heard(fds[0], 200, "GET /echo? ");
    for (unsigned i = 1; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = client(&scene);
        say(fds[i], GET("/hold"));
    }
    wait_for(&scene.service.open, HTTP_CONNECTIONS_MAX - 1);
    fds[HTTP_CONNECTIONS_MAX] = client(&scene);
    say(fds[HTTP_CONNECTIONS_MAX], GET("/hold"));
    answer = hear_to_the_end(fds[0]);
    assert_int_equal(answer.size, 0);
    free(answer.text);
    wait_for(&scene.service.open, HTTP_CONNECTIONS_MAX);
    /* now nobody is: one more waits until another is answered */
    close(fds[0]);
    fds[0] = client(&scene);
    say(fds[0], GET("/echo"));
    waiting = (struct pollfd){.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 300), 0);
    assert_int_equal(atomic_load(&scene.service.requests), HTTP_CONNECTIONS_MAX + 1);
    loop_post(scene.service.loop, support_release, &scene.service);
    assert_heard(fds[0], 200, "GET /echo? ");
    for (unsigned i = 0; i <= HTTP_CONNECTIONS_MAX; i++) {
        close(fds[i]);
    }
    free(fds);
    scene_free(&scene);
}

/* Those whose requests do not come do not keep others out: whoever has been at it for the longest
 * gives way. */
static void at_its_limit_the_unfinished_give_way(void **state)
{
    const struct rlimit many = {8192, 8192};
    struct scene scene;
    int *fds = calloc(HTTP_CONNECTIONS_MAX, sizeof *fds);
    unsigned gone = 0;
    int newcomer;

    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &many) != 0) {
        skip();
    }
    scene_make(&scene);
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = client(&scene);
        say(fds[i], i % 2 ? "GET /echo HTTP/1.1\r\nHost: x\r\n"
                          : "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    }
    newcomer = client(&scene);
    say(newcomer, GET("/echo"));
    assert_heard(newcomer, 200, "GET /echo? ");
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        char byte;
        ssize_t n = recv(fds[i], &byte, 1, MSG_DONTWAIT);
        gone += n == 0 || (n < 0 && errno == ECONNRESET);
        close(fds[i]);
    }
    assert_int_equal(gone, 1); /* without a word */
    close(newcomer);
    free(fds);
    scene_free(&scene);
}

static void frees_what_is_under_way(void **state)
{
    struct scene scene;
    int fds[4];

    (void)state;
    http1_door_free(NULL);
    scene_make(&scene);
    for (int i = 0; i < 4; i++) {
        fds[i] = client(&scene);
    }
    say(fds[0], GET("/hold"));
    say(fds[1], GET("/endless"));
    say(fds[2], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    wait_for(&scene.service.open, 2);
    scene_free(&scene);
    assert_int_equal(atomic_load(&scene.service.closed), 2);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest http1_door[] = {
        cmocka_unit_test(answers_one_request_after_another),
        cmocka_unit_test(answers_in_order_what_came_at_once),
        cmocka_unit_test(takes_what_comes_byte_by_byte),
        cmocka_unit_test(passes_header_fields_both_ways),
        cmocka_unit_test(answers_head_without_a_body),
        cmocka_unit_test(sends_large_answers_whole),
        cmocka_unit_test(answers_bit_by_bit),
        cmocka_unit_test(closes_when_the_client_wants_it),
        cmocka_unit_test(answers_a_client_that_has_said_all),
        cmocka_unit_test(says_that_a_body_is_welcome),
        cmocka_unit_test(refuses_bodies_that_are_too_large),
        cmocka_unit_test(refuses_heads_that_are_too_large),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(cuts_requests_that_do_not_come),
        cmocka_unit_test(cuts_a_reader_who_leaves_too_much_lying),
        cmocka_unit_test(cuts_a_reader_who_comes_too_late),
        cmocka_unit_test(hears_that_a_client_has_gone),
        cmocka_unit_test(reads_little_ahead),
        cmocka_unit_test(at_its_limit_the_idle_give_way),
        cmocka_unit_test(at_its_limit_the_unfinished_give_way),
        cmocka_unit_test(frees_what_is_under_way),
    };

    return cmocka_run_group_tests(http1_door, NULL, NULL);
}
