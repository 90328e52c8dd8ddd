#include "appnet/registry/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"
#include "support.h"

#define NOW 1800000000
#define ENDS (NOW + SESSIONS_SECONDS)

static struct auth *auth;
static struct sessions *sessions;

static int enter(void **state)
{
    struct error err = ERROR_INIT;

    if (support_enter_folder(state) != 0 || !(auth = auth_open(".", &err))) {
        return -1;
    }
    sessions = sessions_open(".", auth, NOW);
    return 0;
}

static int leave(void **state)
{
    sessions_free(sessions);
    auth_free(auth);
    return support_leave_folder(state);
}

static void reopen(int64_t now)
{
    struct error err = ERROR_INIT;

    sessions_free(sessions);
    auth_free(auth);
    auth = auth_open(".", &err);
    assert_non_null(auth);
    sessions = sessions_open(".", auth, now);
}

static char *kept(void)
{
    struct error err = ERROR_INIT;
    char *text;
    size_t size;

    assert_int_equal(file_read_secret(SESSIONS_FILE, 1 << 20, &text, &size, &err), 0);
    return text;
}

static void write_kept(const char *text, mode_t mode)
{
    assert_int_equal(file_write(SESSIONS_FILE, text, strlen(text), mode, false, NULL), 0);
}

static void each_has_its_role_until_its_end(void **state)
{
    char texts[ROLE_ADMIN + 1][SESSIONS_TEXT_SIZE];

    (void)state;
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        assert_true(sessions_add(sessions, role, NOW, texts[role]));
        assert_int_equal(strlen(texts[role]), SESSIONS_TEXT_SIZE - 1);
    }
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        assert_int_equal(sessions_role(sessions, texts[role], NOW), role);
        assert_int_equal(sessions_role(sessions, texts[role], ENDS - 1), role);
        assert_int_equal(sessions_role(sessions, texts[role], ENDS), ROLE_NONE);
    }
    assert_string_not_equal(texts[ROLE_VIEWER], texts[ROLE_ADMIN]);
}

static void what_is_no_session_has_no_role(void **state)
{
    char text[SESSIONS_TEXT_SIZE];
    char longer[SESSIONS_TEXT_SIZE + 1];

    (void)state;
    assert_int_equal(sessions_role(sessions, "", NOW), ROLE_NONE);
    sessions_add(sessions, ROLE_ADMIN, NOW, text);
    snprintf(longer, sizeof longer, "%s0", text);
    assert_int_equal(sessions_role(sessions, longer, NOW), ROLE_NONE);
    assert_int_equal(sessions_role(sessions, text + 1, NOW), ROLE_NONE);
    assert_int_equal(sessions_role(sessions, "", NOW), ROLE_NONE);
    text[0] = text[0] == '0' ? '1' : '0';
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_NONE);
}

static void one_that_was_removed_is_gone_for_good(void **state)
{
    char one[SESSIONS_TEXT_SIZE];
    char other[SESSIONS_TEXT_SIZE];

    (void)state;
    sessions_add(sessions, ROLE_ADMIN, NOW, one);
    sessions_add(sessions, ROLE_VIEWER, NOW, other);
    sessions_remove(sessions, one);
    sessions_remove(sessions, one);
    assert_int_equal(sessions_role(sessions, one, NOW), ROLE_NONE);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, one, NOW), ROLE_NONE);
    assert_int_equal(sessions_role(sessions, other, NOW), ROLE_VIEWER);
}

static void a_restart_signs_nobody_out(void **state)
{
    char text[SESSIONS_TEXT_SIZE];

    (void)state;
    sessions_add(sessions, ROLE_OPERATOR, NOW, text);
    reopen(NOW + 10);
    assert_int_equal(sessions_role(sessions, text, ENDS - 1), ROLE_OPERATOR);
    assert_int_equal(sessions_role(sessions, text, ENDS), ROLE_NONE);
    reopen(ENDS);
    assert_int_equal(sessions_count(sessions), 0);
}

static void another_token_ends_the_sessions_of_its_role(void **state)
{
    char admin[SESSIONS_TEXT_SIZE];
    char viewer[SESSIONS_TEXT_SIZE];

    (void)state;
    sessions_add(sessions, ROLE_ADMIN, NOW, admin);
    sessions_add(sessions, ROLE_VIEWER, NOW, viewer);
    assert_int_equal(unlink("admin.token"), 0);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, admin, NOW), ROLE_NONE);
    assert_int_equal(sessions_role(sessions, viewer, NOW), ROLE_VIEWER);
}

static void the_file_is_of_no_use_to_a_thief(void **state)
{
    char text[SESSIONS_TEXT_SIZE];
    char seal[SESSIONS_TEXT_SIZE];
    struct stat status;
    char *file;

    (void)state;
    sessions_add(sessions, ROLE_ADMIN, NOW, text);
    assert_int_equal(stat(SESSIONS_FILE, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    file = kept();
    assert_null(strstr(file, text));
    assert_null(strstr(file, "token"));
    assert_int_equal(sscanf(file, "%64s admin ", seal), 1);
    assert_int_equal(strlen(seal), 64);
    assert_int_equal(sessions_role(sessions, seal, NOW), ROLE_NONE);
    free(file);
}

/* Nobody gets a higher role, or a longer life, by writing what was written for him. */
static void a_file_that_is_not_the_registrys_is_left_out(void **state)
{
    static const char *const bad[] = {"\xff\xfe",         "x",
                                      "00 admin 1",       "%s root 1800000100",
                                      "%s admin",         "%s admin 1800000100 x",
                                      "%s  1800000100",   "%s nobody 1800000100",
                                      "%sadmin 18000001", "%s admin 1800000100\nx"};
    char text[SESSIONS_TEXT_SIZE];
    char line[256];
    char seal[SESSIONS_TEXT_SIZE];
    char *file;

    (void)state;
    sessions_add(sessions, ROLE_VIEWER, NOW, text);
    file = kept();
    sscanf(file, "%64s", seal);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int length = (int)(strchr(bad[i], '%') ? strchr(bad[i], '%') - bad[i] : -1);
        snprintf(line, sizeof line, "%s%s", length == 0 ? seal : "",
                 bad[i] + (length == 0 ? 2 : 0));
        write_kept(line, 0600);
        reopen(NOW);
        assert_int_equal(sessions_count(sessions), 0);
    }
    write_kept(file, 0644);
    reopen(NOW);
    assert_int_equal(sessions_count(sessions), 0);
    write_kept(file, 0600);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_VIEWER);

    snprintf(line, sizeof line, "%s admin %lld\n", seal, (long long)ENDS);
    write_kept(line, 0600);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_NONE);
    snprintf(line, sizeof line, "%s viewer %lld\n", seal, (long long)ENDS + 1);
    write_kept(line, 0600);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_NONE);
    free(file);

    /* What is bad does not stay in the way. */
    write_kept("x", 0644);
    reopen(NOW);
    sessions_add(sessions, ROLE_ADMIN, NOW, text);
    reopen(NOW);
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_ADMIN);
}

static void the_oldest_of_the_least_role_gives_way(void **state)
{
    char oldest[SESSIONS_TEXT_SIZE];
    char second[SESSIONS_TEXT_SIZE];
    char admin[SESSIONS_TEXT_SIZE];
    char text[SESSIONS_TEXT_SIZE];

    (void)state;
    assert_true(sessions_add(sessions, ROLE_ADMIN, NOW, admin));
    assert_true(sessions_add(sessions, ROLE_OPERATOR, NOW + 1, oldest));
    assert_true(sessions_add(sessions, ROLE_OPERATOR, NOW + 2, second));
    while (sessions_count(sessions) < SESSIONS_MAX) {
        assert_true(sessions_add(sessions, ROLE_OPERATOR, NOW + 3, text));
    }
    assert_false(sessions_add(sessions, ROLE_VIEWER, NOW + 4, text));
    assert_int_equal(sessions_role(sessions, oldest, NOW + 4), ROLE_OPERATOR);
    assert_true(sessions_add(sessions, ROLE_OPERATOR, NOW + 4, text));
    assert_int_equal(sessions_count(sessions), SESSIONS_MAX);
    assert_int_equal(sessions_role(sessions, oldest, NOW + 4), ROLE_NONE);
    assert_int_equal(sessions_role(sessions, second, NOW + 4), ROLE_OPERATOR);
    assert_int_equal(sessions_role(sessions, admin, NOW + 4), ROLE_ADMIN);
    assert_int_equal(sessions_role(sessions, text, NOW + 4), ROLE_OPERATOR);
    reopen(NOW + 4);
    assert_int_equal(sessions_count(sessions), SESSIONS_MAX);

    /* Those that have ended are in nobody's way. */
    assert_true(sessions_add(sessions, ROLE_VIEWER, ENDS + 100, text));
    assert_int_equal(sessions_count(sessions), 1);
}

static void what_cannot_be_kept_is_good_for_this_run(void **state)
{
    char text[SESSIONS_TEXT_SIZE];

    (void)state;
    assert_int_equal(mkdir(SESSIONS_FILE, 0700), 0);
    assert_true(sessions_add(sessions, ROLE_ADMIN, NOW, text));
    assert_int_equal(sessions_role(sessions, text, NOW), ROLE_ADMIN);
    reopen(NOW);
    assert_int_equal(sessions_count(sessions), 0);
}

static void a_code_is_good_once(void **state)
{
    char code[SESSIONS_TEXT_SIZE];
    char other[SESSIONS_TEXT_SIZE];

    (void)state;
    assert_false(sessions_take_code(sessions, "", 0));
    sessions_make_code(sessions, 0, other);
    sessions_make_code(sessions, 100, code);
    assert_false(sessions_take_code(sessions, other, 100));
    assert_false(sessions_take_code(sessions, "", 100));
    assert_false(sessions_take_code(sessions, code + 1, 100));
    assert_true(sessions_take_code(sessions, code, 100 + SESSIONS_CODE_SECONDS - 1));
    assert_false(sessions_take_code(sessions, code, 100));
    memset(other, 0, sizeof other);
    assert_false(sessions_take_code(sessions, other, 0));
}

static void a_code_ends_with_its_hour(void **state)
{
    char code[SESSIONS_TEXT_SIZE];

    (void)state;
    sessions_make_code(sessions, 100, code);
    assert_false(sessions_take_code(sessions, code, 100 + SESSIONS_CODE_SECONDS));
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest sessions_tests[] = {
        in_folder(each_has_its_role_until_its_end),
        in_folder(what_is_no_session_has_no_role),
        in_folder(one_that_was_removed_is_gone_for_good),
        in_folder(a_restart_signs_nobody_out),
        in_folder(another_token_ends_the_sessions_of_its_role),
        in_folder(the_file_is_of_no_use_to_a_thief),
        in_folder(a_file_that_is_not_the_registrys_is_left_out),
        in_folder(the_oldest_of_the_least_role_gives_way),
        in_folder(what_cannot_be_kept_is_good_for_this_run),
        in_folder(a_code_is_good_once),
        in_folder(a_code_ends_with_its_hour),
    };

    return cmocka_run_group_tests(sessions_tests, NULL, NULL);
}
