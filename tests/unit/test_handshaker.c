#include "appnet/tunnel/handshaker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/memory.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

#define ACCEPTED_MAX 40

/* A source (web) and a target (db), each with threads of its own; this thread is the loop that is
 * answered to. */
struct scene {
    struct loop *loop;
    struct handshaker *source, *target;
    struct address address; /* the target's */
    struct established *accepted[ACCEPTED_MAX];
    unsigned accepted_count;
};

struct answer {
    unsigned count;
    struct established *established;
    enum dial_failure failure;
    struct error why;
};

struct arrival {
    struct scene *scene;
    struct established *established;
};

static void arrive(void *argument)
{
    struct arrival *arrival = argument;
    struct scene *scene = arrival->scene;

    assert_true(scene->accepted_count < ACCEPTED_MAX);
    scene->accepted[scene->accepted_count++] = arrival->established;
    free(arrival);
}

/* On one of the target's threads. */
static void on_accepted(void *argument, struct established *established)
{
    struct arrival *arrival = memory_zalloc(sizeof(*arrival));

    arrival->scene = argument;
    arrival->established = established;
    loop_post(arrival->scene->loop, arrive, arrival);
}

static void on_dialled(void *argument, struct established *established, enum dial_failure failure,
                       const struct error *why)
{
    struct answer *answer = argument;

    answer->count++;
    answer->established = established;
    answer->failure = failure;
    answer->why = *why;
}

static bool is_answered(void *argument)
{
    const struct answer *answer = argument;

    return answer->count > 0;
}

static void scene_make(struct scene *scene, unsigned threads)
{
    memset(scene, 0, sizeof(*scene));
    scene->loop = loop_new("test", NULL);
    assert_non_null(scene->loop);
    scene->source = support_handshaker(threads, "web");
    scene->target = support_handshaker(threads, "db");
    support_handshaker_listen(scene->target, &scene->address, on_accepted, scene);
}

static void scene_free(struct scene *scene)
{
    handshaker_free(scene->source);
    handshaker_free(scene->target);
    loop_drain(scene->loop);
    for (unsigned i = 0; i < scene->accepted_count; i++)
        established_free(scene->accepted[i]);
    loop_free(scene->loop);
}

static void dial(struct scene *scene, const char *instance, struct answer *answer)
{
    const struct tls_expected expected = tls_expect(instance);

    memset(answer, 0, sizeof(*answer));
    handshaker_dial(scene->source, &scene->address, &expected, scene->loop, on_dialled, answer);
}

static void wait_for(struct scene *scene, struct answer *answer)
{
    support_turn_until(loop_base(scene->loop), is_answered, answer);
    assert_int_equal(answer->count, 1);
    if (answer->established)
        assert_string_equal(answer->why.text, "");
    else
        assert_true(strlen(answer->why.text) > 0);
}

static void assert_dialled(struct scene *scene, const char *instance)
{
    struct answer answer;

    dial(scene, instance, &answer);
    wait_for(scene, &answer);
    if (!answer.established)
        fail_msg("%s", answer.why.text);
    assert_string_equal(answer.established->peer.instance, instance);
    established_free(answer.established);
}

static void assert_failed(struct scene *scene, const char *instance, enum dial_failure failure,
                          const char *sentence)
{
    struct answer answer;

    dial(scene, instance, &answer);
    wait_for(scene, &answer);
    assert_null(answer.established);
    assert_int_equal(answer.failure, failure);
    if (!strstr(answer.why.text, sentence))
        assert_string_equal(answer.why.text, sentence);
}

struct awaited {
    const struct scene *scene;
    unsigned count;
};

static bool have_arrived(void *argument)
{
    const struct awaited *awaited = argument;

    return awaited->scene->accepted_count >= awaited->count;
}

static void wait_for_arrivals(struct scene *scene, unsigned count)
{
    struct awaited awaited = {scene, count};

    support_turn_until(loop_base(scene->loop), have_arrived, &awaited);
}

/* ---- dialling ---- */

static void brings_two_sidecars_together(void **state)
{
    struct scene scene;
    struct answer answer;
    char local[ADDRESS_TEXT_SIZE];
    const struct established *ends[2];

    (void)state;
    scene_make(&scene, 1);
    dial(&scene, "db", &answer);
    wait_for(&scene, &answer);
    assert_non_null(answer.established);
    wait_for_arrivals(&scene, 1);
    ends[0] = answer.established;
    ends[1] = scene.accepted[0];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ends[i]->is_client, i == 0);
        assert_string_equal(ends[i]->peer.instance, i == 0 ? "db" : "web");
        assert_string_equal(ends[i]->peer.trust_domain, SUPPORT_DOMAIN);
        assert_ptr_equal(ends[i]->record->engine, record_engine_best());
        assert_true(fcntl(ends[i]->fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(ends[i]->fd, F_GETFD) & FD_CLOEXEC);
        socket_local_format(ends[1 - i]->fd, local, sizeof(local));
        assert_string_equal(ends[i]->address, local);
    }
    assert_string_equal(ends[0]->version, ends[1]->version);
    assert_string_equal(ends[0]->cipher, ends[1]->cipher);
    established_free(answer.established);
    scene_free(&scene);
}

static void looks_names_up(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene, 1);
    snprintf(scene.address.host, sizeof(scene.address.host), "localhost");
    assert_dialled(&scene, "db");
    /* No name server is asked for a label of 70 letters. */
    memset(scene.address.host, 'x', 70);
    scene.address.host[70] = '\0';
    assert_failed(&scene, "db", DIAL_UNREACHABLE, "xxxx");
    scene_free(&scene);
}

static void makes_many_at_once(void **state)
{
    enum { DIALS = 12 }; /* a slow machine must be done with all before their deadline */
    struct answer answers[DIALS];
    struct scene scene;

    (void)state;
    scene_make(&scene, 3);
    for (int i = 0; i < DIALS; i++)
        dial(&scene, "db", &answers[i]);
    for (int i = 0; i < DIALS; i++) {
        wait_for(&scene, &answers[i]);
        if (!answers[i].established)
            fail_msg("%s", answers[i].why.text);
        established_free(answers[i].established);
    }
    wait_for_arrivals(&scene, DIALS);
    scene_free(&scene);
}

/* As a sidecar does that has a saved view: it dials before it has an address to listen at. */
static void listens_while_it_dials(void **state)
{
    struct scene scene;
    struct answer answers[8];
    struct address address;

    (void)state;
    scene_make(&scene, 2);
    for (unsigned i = 0; i < 8; i++)
        dial(&scene, "db", &answers[i]);
    support_handshaker_listen(scene.source, &address, on_accepted, &scene);
    for (unsigned i = 0; i < 8; i++) {
        wait_for(&scene, &answers[i]);
        assert_non_null(answers[i].established);
        established_free(answers[i].established);
    }
    wait_for_arrivals(&scene, 8);
    scene_free(&scene);
}

static void says_that_nobody_answers(void **state)
{
    struct scene scene;
    char expected[200];

    (void)state;
    scene_make(&scene, 1);
    support_free_address(&scene.address);
    snprintf(expected, sizeof(expected),
             "the sidecar of db does not answer at 127.0.0.1:%u: Connection refused",
             scene.address.port);
    assert_failed(&scene, "db", DIAL_UNREACHABLE, expected);
    scene_free(&scene);
}

static void refuses_another_instance(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene, 1);
    assert_failed(&scene, "mysql", DIAL_REFUSED, "the peer is instance db, expected mysql");
    assert_dialled(&scene, "db"); /* it was not a matter of time */
    scene_free(&scene);
}

/* Something else that has the port: it says what it says, and closes. */
static void assert_other_refused(struct scene *scene, const char *says, const char *sentence)
{
    struct answer answer;
    int listener = support_listen(&scene->address);
    int served;

    dial(scene, "db", &answer);
    served = accept(listener, NULL, NULL);
    assert_true(served >= 0);
    if (*says)
        assert_int_equal(send(served, says, strlen(says), MSG_NOSIGNAL), strlen(says));
    shutdown(served, SHUT_WR);
    wait_for(scene, &answer);
    assert_null(answer.established);
    assert_int_equal(answer.failure, DIAL_REFUSED);
    if (!strstr(answer.why.text, sentence))
        assert_string_equal(answer.why.text, sentence);
    close(served);
    close(listener);
}

static void says_what_answers_instead(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene, 1);
    assert_other_refused(&scene, "SSH-2.0-OpenSSH_9.2\r\n", "the peer does not speak TLS");
    assert_other_refused(&scene, "", "the peer closed the connection before it said anything");
    scene_free(&scene);
}

static void answers_dials_under_way_when_it_ends(void **state)
{
    struct scene scene;
    struct answer answers[5];
    int listener;

    (void)state;
    scene_make(&scene, 2);
    listener = support_listen(&scene.address); /* accepts, and is silent */
    for (int i = 0; i < 5; i++)
        dial(&scene, "db", &answers[i]);
    for (int i = 0; i < 3; i++)
        close(accept(listener, NULL, NULL));
    handshaker_free(scene.source);
    scene.source = NULL;
    loop_drain(scene.loop);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_null(answers[i].established);
    }
    close(listener);
    handshaker_free(NULL);
    scene_free(&scene);
}

/* ---- identities ---- */

static void uses_the_latest_identity(void **state)
{
    struct scene scene;
    struct identity *other = support_identity("ca", "mysql");
    struct identity *broken = support_identity("ca", "mysql");
    struct error err = ERROR_INIT;

    (void)state;
    scene_make(&scene, 2);
    assert_dialled(&scene, "db");
    assert_int_equal(handshaker_set_identity(scene.target, other, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_dialled(&scene, "mysql");
    memset(broken->key_pem, 'x', 20);
    assert_int_equal(handshaker_set_identity(scene.target, broken, &err), -1);
    assert_true(strlen(err.text) > 0);
    for (int i = 0; i < 4; i++)
        assert_dialled(&scene, "mysql");
    identity_free(other);
    identity_free(broken);
    scene_free(&scene);
}

/* ---- strangers ---- */

static int connect_raw(const struct scene *scene)
{
    return support_connect(&scene->address);
}

/* Until the other side has closed its direction. */
static void read_to_end(int fd)
{
    char waste[1000];
    ssize_t n;

    do {
        n = recv(fd, waste, sizeof(waste), 0);
    } while (n > 0);
    assert_int_equal(n, 0);
}

static void say_nonsense(int fd)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";

    assert_int_equal(send(fd, http, sizeof(http) - 1, MSG_NOSIGNAL), sizeof(http) - 1);
    read_to_end(fd);
}

static bool may_open(rlim_t descriptors)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < descriptors)
        limit.rlim_cur = limit.rlim_max < descriptors ? limit.rlim_max : descriptors;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur >= descriptors;
}

static void serves_beside_many_silent_strangers(void **state)
{
    enum { SILENT = HANDSHAKER_STRANGERS_MAX + 40 };
    static int silent[SILENT];
    struct scene scene;

    (void)state;
    if (!may_open(2 * SILENT + 100)) {
        print_message("skipped: this process may not open as many descriptors\n");
        skip();
    }
    scene_make(&scene, 1);
    for (int i = 0; i < SILENT; i++)
        silent[i] = connect_raw(&scene);
    for (int i = 0; i < 5; i++)
        assert_dialled(&scene, "db");
    read_to_end(silent[0]); /* the oldest gave way */
    wait_for_arrivals(&scene, 5);
    for (int i = 0; i < SILENT; i++)
        close(silent[i]);
    assert_dialled(&scene, "db");
    scene_free(&scene);
}

static void forgets_refused_strangers_who_leave(void **state)
{
    enum { STRANGERS = 100 };
    int strangers[STRANGERS];
    struct scene scene;
    unsigned before;

    (void)state;
    if (!may_open(2 * STRANGERS + 100)) {
        print_message("skipped: this process may not open as many descriptors\n");
        skip();
    }
    scene_make(&scene, 1);
    assert_dialled(&scene, "db");
    wait_for_arrivals(&scene, 1);
    before = support_open_descriptors();
    for (int i = 0; i < STRANGERS; i++)
        strangers[i] = connect_raw(&scene);
    for (int i = 0; i < STRANGERS; i++)
        say_nonsense(strangers[i]);
    for (int i = 0; i < STRANGERS; i++)
        close(strangers[i]);
    /* Whoever is served after them is served after they were seen to leave. */
    for (int i = 0; i < 3; i++)
        assert_dialled(&scene, "db");
    wait_for_arrivals(&scene, 4);
    assert_in_range(support_open_descriptors(), before, before + 10);
    scene_free(&scene);
}

static unsigned lines_with(const char *path, const char *part)
{
    FILE *file = fopen(path, "r");
    char line[2000];
    unsigned count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        count += strstr(line, part) != NULL;
    fclose(file);
    return count;
}

static void logs_refusals_but_not_all_of_a_flood(void **state)
{
    enum { FLOOD = 300 };
    struct scene scene;
    int stderr_fd = dup(STDERR_FILENO);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    unsigned lines;

    (void)state;
    assert_true(stderr_fd >= 0 && log >= 0);
    scene_make(&scene, 1);
    assert_true(dup2(log, STDERR_FILENO) >= 0);
    for (int i = 0; i < FLOOD; i++) {
        int fd = connect_raw(&scene);

        say_nonsense(fd);
        close(fd);
    }
    scene_free(&scene); /* what is still to be written is written */
    assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
    close(stderr_fd);
    close(log);
    lines = lines_with("log", "tunnel refused side=target address=127.0.0.1:");
    assert_in_range(lines, 20, FLOOD - 1);
    assert_int_equal(lines_with("log", "the peer does not speak TLS"), lines);
    assert_int_equal(lines_with("log", "reason=tls-refused"), lines);
}

static void takes_nobody_in_when_closed(void **state)
{
    struct scene scene;
    struct answer answer;

    (void)state;
    scene_make(&scene, 2);
    assert_dialled(&scene, "db");
    wait_for_arrivals(&scene, 1);
    handshaker_close(scene.target);
    for (int i = 0; i < 100; i++) {
        dial(&scene, "db", &answer);
        wait_for(&scene, &answer);
        established_free(answer.established);
        /* The one that was in the kernel's queue is reset. */
        if (!answer.established && answer.failure == DIAL_UNREACHABLE)
            break;
    }
    assert_null(answer.established);
    assert_non_null(strstr(answer.why.text, "Connection refused"));
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest handshaker[] = {
        cmocka_unit_test(brings_two_sidecars_together),
        cmocka_unit_test(looks_names_up),
        cmocka_unit_test(makes_many_at_once),
        cmocka_unit_test(listens_while_it_dials),
        cmocka_unit_test(says_that_nobody_answers),
        cmocka_unit_test(refuses_another_instance),
        cmocka_unit_test(says_what_answers_instead),
        cmocka_unit_test(answers_dials_under_way_when_it_ends),
        cmocka_unit_test(uses_the_latest_identity),
        cmocka_unit_test(serves_beside_many_silent_strangers),
        cmocka_unit_test(forgets_refused_strangers_who_leave),
        cmocka_unit_test(logs_refusals_but_not_all_of_a_flood),
        cmocka_unit_test(takes_nobody_in_when_closed),
    };

    return cmocka_run_group_tests(handshaker, support_enter_folder, support_leave_folder);
}
