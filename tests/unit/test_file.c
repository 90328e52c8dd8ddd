#include "appnet/base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has an empty folder of its own, and is in it. */
static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/appnet-test-XXXXXX");

    *state = folder;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[64];
    int rc;

    snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
    rc = chdir("/") == 0 ? system(command) : -1;
    free(*state);
    return rc;
}

static unsigned count_files(void)
{
    DIR *folder = opendir(".");
    unsigned count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void assert_content(const char *path, const char *expected)
{
    char *content;
    size_t size;

    assert_int_equal(file_read(path, 1000, &content, &size, NULL), 0);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(content, expected);
    free(content);
}

static void writes_and_reads(void **state)
{
    (void)state;
    assert_int_equal(file_write("f", "hello", 5, 0600, false, NULL), 0);
    assert_content("f", "hello");
    assert_int_equal(mode_of("f"), 0600);
    assert_int_equal(file_write("f", "", 0, 0644, false, NULL), 0);
    assert_content("f", "");
    assert_int_equal(mode_of("f"), 0644);
    assert_int_equal(count_files(), 1);
}

static void mode_is_not_the_umasks(void **state)
{
    mode_t old = umask(0777);

    (void)state;
    assert_int_equal(file_write("f", "x", 1, 0640, false, NULL), 0);
    umask(old);
    assert_int_equal(mode_of("f"), 0640);
}

static void exclusive_never_replaces(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(file_write("f", "old", 3, 0600, true, &err), 0);
    assert_int_equal(file_write("f", "new", 3, 0600, true, &err), -1);
    assert_string_equal(err.text, "f exists already");
    assert_content("f", "old");
    assert_int_equal(count_files(), 1);
}

static void says_why_it_cannot_write(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(file_write("no/f", "x", 1, 0600, false, &err), -1);
    assert_string_equal(err.text, "cannot write no/f: No such file or directory");
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(file_write("folder", "x", 1, 0600, false, &err), -1);
    assert_string_equal(err.text, "cannot write folder: Is a directory");
    assert_int_equal(count_files(), 1);
}

static void holds_the_limit(void **state)
{
    struct error err = ERROR_INIT;
    char *content;
    size_t size;

    (void)state;
    assert_int_equal(file_write("f", "12345", 5, 0600, false, NULL), 0);
    assert_int_equal(file_read("f", 5, &content, &size, &err), 0);
    assert_int_equal(size, 5);
    free(content);
    assert_int_equal(file_read("f", 4, &content, &size, &err), -1);
    assert_string_equal(err.text, "f is longer than 4 bytes");
}

static void reads_regular_files_only(void **state)
{
    struct error err = ERROR_INIT;
    char *content;
    size_t size;

    (void)state;
    assert_int_equal(file_read("none", 10, &content, &size, &err), -1);
    assert_string_equal(err.text, "cannot open none: No such file or directory");
    assert_int_equal(file_read(".", 10, &content, &size, &err), -1);
    assert_string_equal(err.text, ". is not a regular file");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(file_read("pipe", 10, &content, &size, &err), -1);
    assert_string_equal(err.text, "pipe is not a regular file");
}

static void secrets_are_for_their_owner(void **state)
{
    static const mode_t open_modes[] = {0604, 0640, 0610, 0602};
    struct error err = ERROR_INIT;
    char *content;
    size_t size;

    (void)state;
    for (unsigned i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        assert_int_equal(file_write("key", "k", 1, open_modes[i], false, NULL), 0);
        assert_int_equal(file_read_secret("key", 10, &content, &size, &err), -1);
        assert_non_null(strstr(err.text, "key is open to others (mode 06"));
        assert_non_null(strstr(err.text, "chmod 600"));
        assert_true(file_is_exposed("key"));
    }
    assert_int_equal(file_write("key", "k", 1, 0600, false, NULL), 0);
    assert_int_equal(file_read_secret("key", 10, &content, &size, &err), 0);
    assert_string_equal(content, "k");
    assert_false(file_is_exposed("key"));
    assert_false(file_is_exposed("there is none"));
    free(content);
}

static void makes_folders(void **state)
{
    struct error err = ERROR_INIT;
    char *absolute = file_path(*state, "x/y");

    assert_int_equal(file_make_folder("a/b/c", 0700, NULL), 0);
    assert_int_equal(mode_of("a/b/c"), 0700);
    assert_int_equal(file_make_folder("a/b/c", 0700, NULL), 0);
    assert_int_equal(file_make_folder("a//b/d/", 0700, NULL), 0);
    assert_int_equal(file_make_folder(absolute, 0700, NULL), 0);
    assert_int_equal(mode_of("x/y"), 0700);
    assert_int_equal(file_write("f", "x", 1, 0600, false, NULL), 0);
    assert_int_equal(file_make_folder("f", 0700, &err), -1);
    assert_string_equal(err.text, "cannot make the folder f: File exists");
    assert_int_equal(file_make_folder("f/g", 0700, &err), -1);
    assert_int_equal(file_make_folder("", 0700, &err), -1);
    free(absolute);
}

static void assert_path(const char *folder, const char *name, const char *expected)
{
    char *path = file_path(folder, name);

    assert_string_equal(path, expected);
    free(path);
}

static void joins_paths(void **state)
{
    (void)state;
    assert_path("/etc", "x", "/etc/x");
    assert_path("/etc/", "x", "/etc/x");
    assert_path("/", "x", "/x");
    assert_path("/etc", "/x", "/x");
    assert_path(".", "x", "./x");
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest file[] = {
        in_folder(writes_and_reads),
        in_folder(mode_is_not_the_umasks),
        in_folder(exclusive_never_replaces),
        in_folder(says_why_it_cannot_write),
        in_folder(holds_the_limit),
        in_folder(reads_regular_files_only),
        in_folder(secrets_are_for_their_owner),
        in_folder(makes_folders),
        cmocka_unit_test(joins_paths),
    };

    return cmocka_run_group_tests(file, NULL, NULL);
}
