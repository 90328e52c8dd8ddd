#include "appnet/identity/identity_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"
#include "appnet/identity/authority.h"
#include "support.h"

/* Two identities of the same instance, by two CAs. */
struct texts {
    char *key;
    char *certificate;
    char *ca;
};

static struct texts old;
static struct texts new;

static char *read_text(const char *path)
{
    char *text;
    size_t size;

    assert_int_equal(file_read(path, 100000, &text, &size, NULL), 0);
    return text;
}

static void make(const char *name, struct texts *out)
{
    char path[64];

    assert_int_equal(authority_init(name, "shop.example", NULL), 0);
    assert_int_equal(authority_issue(name, "web", 3600, name, NULL), 0);
    snprintf(path, sizeof path, "%s/key.pem", name);
    out->key = read_text(path);
    snprintf(path, sizeof path, "%s/cert.pem", name);
    out->certificate = read_text(path);
    snprintf(path, sizeof path, "%s/ca.pem", name);
    out->ca = read_text(path);
}

static int set_up(void **state)
{
    if (support_enter_folder(state) != 0) {
        return -1;
    }
    make("first", &old);
    make("second", &new);
    return 0;
}

static int tear_down(void **state)
{
    struct texts *all[] = {&old, &new};

    for (int i = 0; i < 2; i++) {
        free(all[i]->key);
        free(all[i]->certificate);
        free(all[i]->ca);
    }
    return support_leave_folder(state);
}

static int clean(void **state)
{
    (void)state;
    return system("rm -rf f");
}

static int write_texts(const struct texts *texts, struct error *err)
{
    return identity_folder_write("f", 0700, texts->key, texts->certificate, texts->ca, err);
}

static void put(const char *name, const char *content, mode_t mode)
{
    char path[64];

    snprintf(path, sizeof path, "f/%s", name);
    assert_int_equal(file_write(path, content, strlen(content), mode, false, NULL), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

/* The folder holds these and nothing else, and they load. */
static void assert_holds(const struct texts *texts)
{
    struct error err = ERROR_INIT;
    struct identity *identity = identity_folder_load("f", "shop.example", "web", &err);

    assert_string_equal(err.text, "");
    assert_non_null(identity);
    assert_string_equal(identity->key_pem, texts->key);
    assert_string_equal(identity->certificate_pem, texts->certificate);
    assert_string_equal(identity->ca_pem, texts->ca);
    identity_free(identity);
    assert_int_equal(system("test \"$(ls f | tr '\\n' ' ')\" = 'ca.pem cert.pem key.pem '"), 0);
}

static void holds_what_is_written(void **state)
{
    (void)state;
    assert_true(identity_folder_empty("f"));
    assert_int_equal(write_texts(&old, NULL), 0);
    assert_false(identity_folder_empty("f"));
    assert_int_equal(mode_of("f"), 0700);
    assert_int_equal(mode_of("f/key.pem"), 0600);
    assert_int_equal(mode_of("f/cert.pem"), 0644);
    assert_int_equal(mode_of("f/ca.pem"), 0644);
    assert_holds(&old);
    assert_int_equal(write_texts(&new, NULL), 0);
    assert_holds(&new);
}

static void says_what_is_missing(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(identity_folder_load("f", "shop.example", "web", &err));
    assert_string_equal(err.text, "cannot open f/cert.pem: No such file or directory");
    assert_int_equal(write_texts(&old, NULL), 0);
    assert_null(identity_folder_load("f", "shop.example", "db", &err));
    assert_non_null(strstr(err.text, "f/cert.pem: it is for spiffe://shop.example/instance/web"));
    put("cert.pem", new.certificate, 0644);
    assert_null(identity_folder_load("f", "shop.example", "web", &err));
    assert_string_equal(err.text, "f/key.pem is not the key of f/cert.pem");
}

/* A full disk, a folder that may not be written. */
static void a_failed_write_keeps_the_old_ones(void **state)
{
    static const char *blocked[] = {"f/key.pem.new", "f/cert.pem.new", "f/ca.pem.new"};
    struct error err = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write_texts(&old, NULL), 0);
        assert_int_equal(mkdir(blocked[i], 0700), 0);
        assert_int_equal(write_texts(&new, &err), -1);
        assert_non_null(strstr(err.text, blocked[i]));
        assert_int_equal(rmdir(blocked[i]), 0);
        assert_holds(&old);
    }
}

/* Every state that a write can be cut in, by its steps: three files are staged, three renamed. */
static void a_cut_write_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        for (int step = 0; step <= 6; step++) {
            assert_int_equal(clean(state), 0);
            assert_int_equal(mkdir("f", 0700), 0);
            if (!first) {
                assert_int_equal(write_texts(&old, NULL), 0);
            }
            if (step >= 1) {
                put(step >= 4 ? "ca.pem" : "ca.pem.new", new.ca, 0644);
            }
            if (step >= 2) {
                put(step >= 5 ? "key.pem" : "key.pem.new", new.key, 0600);
            }
            if (step >= 3) {
                put(step >= 6 ? "cert.pem" : "cert.pem.new", new.certificate, 0644);
            }
            if (first && step < 3) {
                assert_null(identity_folder_load("f", "shop.example", "web", NULL));
                assert_true(identity_folder_empty("f"));
                continue;
            }
            assert_false(identity_folder_empty("f"));
            if (step <= 3 && !first) {
                struct identity *identity = identity_folder_load("f", "shop.example", "web", NULL);
                assert_non_null(identity);
                assert_string_equal(identity->key_pem, old.key);
                identity_free(identity);
            } else {
                assert_holds(&new);
            }
            /* The next write is as ever. */
            assert_int_equal(write_texts(&old, NULL), 0);
            assert_holds(&old);
        }
    }
}

int main(void)
{
    const struct CMUnitTest identity_folder[] = {
        cmocka_unit_test_teardown(holds_what_is_written, clean),
        cmocka_unit_test_teardown(says_what_is_missing, clean),
        cmocka_unit_test_teardown(a_failed_write_keeps_the_old_ones, clean),
        cmocka_unit_test_teardown(a_cut_write_leaves_the_old_or_the_new, clean),
    };

    return cmocka_run_group_tests(identity_folder, set_up, tear_down);
}
