#include "appnet/identity/join_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD "appnet1.abcdefghij09.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_." HASH

static void assert_bad(const char *text, const char *sentence)
{
    struct error err = ERROR_INIT;
    struct join_token token;

    assert_int_equal(join_token_parse(text, &token, &err), -1);
    if (!strstr(err.text, sentence)) {
        assert_string_equal(err.text, sentence);
    }
    /* Nobody finds a piece of a secret in a log. */
    assert_null(strstr(err.text, "AAAA"));
    assert_string_equal(token.secret, "");
}

static void is_made_written_and_read(void **state)
{
    struct join_token token;
    struct join_token other;
    struct join_token again;
    char text[JOIN_TOKEN_TEXT_SIZE];

    (void)state;
    join_token_make(HASH, &token);
    join_token_make(HASH, &other);
    assert_string_not_equal(token.id, other.id);
    assert_string_not_equal(token.secret, other.secret);
    assert_string_equal(token.ca_hash, HASH);
    assert_true(join_token_id_valid(token.id));
    join_token_format(&token, text);
    assert_int_equal(strlen(text), JOIN_TOKEN_TEXT_SIZE - 1);
    assert_int_equal(join_token_parse(text, &again, NULL), 0);
    assert_memory_equal(&again, &token, sizeof token);
}

static void takes_the_exact_form_only(void **state)
{
    struct join_token token;
    char text[2 * JOIN_TOKEN_TEXT_SIZE];

    (void)state;
    assert_int_equal(join_token_parse(GOOD, &token, NULL), 0);
    assert_string_equal(token.id, "abcdefghij09");
    assert_string_equal(token.secret, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_");
    assert_bad("", "not a join token: expected appnet1.ID.SECRET.CAHASH");
    assert_bad("appnet2.abcdefghij09.x.y", "not a join token");
    assert_bad("Bearer " GOOD, "not a join token");
    assert_bad(" " GOOD, "not a join token");
    assert_bad(GOOD " ", "is cut or changed");
    assert_bad(GOOD "\n", "is cut or changed");
    assert_bad(GOOD "0", "is cut or changed");
    for (size_t length = 0; length < strlen(GOOD); length++) {
        snprintf(text, sizeof text, "%.*s", (int)length, GOOD);
        assert_bad(text, "token");
    }
    /* No letter may be of another alphabet, no dot elsewhere. */
    for (size_t i = 0; i < strlen(GOOD); i++) {
        for (const char *letter = "A!.= \xc3"; *letter; letter++) {
            snprintf(text, sizeof text, "%s", GOOD);
            if (text[i] == *letter || (*letter == 'A' && i > 20 && i < 64)) {
                continue;
            }
            text[i] = *letter;
            assert_int_equal(join_token_parse(text, &token, NULL), -1);
        }
    }
}

static void knows_its_secret_by_the_hash(void **state)
{
    struct join_token token;
    uint8_t hash[JOIN_TOKEN_HASH_SIZE];
    /* printf %s AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_ | sha256sum */
    static const char expected[] =
        "e0f392ffebcfada50204a4e6b3e601a6896ce0c5f5fab988206d98b0920a68c5";
    char text[2 * JOIN_TOKEN_HASH_SIZE + 1];

    (void)state;
    assert_int_equal(join_token_parse(GOOD, &token, NULL), 0);
    join_token_hash(&token, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    }
    assert_string_equal(text, expected);
    assert_true(join_token_matches(&token, hash));
    token.secret[0] = 'B';
    assert_false(join_token_matches(&token, hash));
    token.secret[0] = 'A';
    hash[31] ^= 1;
    assert_false(join_token_matches(&token, hash));
    /* The ID and the hash of the CA are no part of the secret. */
    hash[31] ^= 1;
    token.id[0] = 'z';
    token.ca_hash[0] = 'f';
    assert_true(join_token_matches(&token, hash));
}

static void knows_an_id(void **state)
{
    (void)state;
    assert_true(join_token_id_valid("abcdefghij09"));
    assert_false(join_token_id_valid(""));
    assert_false(join_token_id_valid("abcdefghij0"));
    assert_false(join_token_id_valid("abcdefghij099"));
    assert_false(join_token_id_valid("abcdefghij0."));
    assert_false(join_token_id_valid("Abcdefghij09"));
}

static void is_read_from_a_file(void **state)
{
    char path[] = "/tmp/appnet-test-XXXXXX";
    struct error err = ERROR_INIT;
    struct join_token token;
    char expected[128];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    snprintf(expected, sizeof expected, "%s: there is no join token in it", path);
    assert_int_equal(join_token_read(path, &token, &err), -1);
    assert_string_equal(err.text, expected);
    assert_int_equal(file_write(path, " \n", 2, 0600, false, NULL), 0);
    assert_int_equal(join_token_read(path, &token, &err), -1);
    assert_string_equal(err.text, expected);
    assert_int_equal(file_write(path, GOOD "\n", strlen(GOOD "\n"), 0600, false, NULL), 0);
    assert_int_equal(join_token_read(path, &token, &err), 0);
    assert_string_equal(token.id, "abcdefghij09");
    assert_int_equal(file_write(path, "\n " GOOD " \r\n", strlen(GOOD) + 5, 0600, false, NULL), 0);
    assert_int_equal(join_token_read(path, &token, &err), 0);
    assert_int_equal(file_write(path, GOOD "\nx\n", strlen(GOOD) + 3, 0600, false, NULL), 0);
    assert_int_equal(join_token_read(path, &token, &err), -1);
    assert_non_null(strstr(err.text, "is cut or changed"));
    /* As a shell or a pod's volume makes it: whoever uses the token warns. */
    assert_int_equal(file_write(path, GOOD "\n", strlen(GOOD "\n"), 0644, false, NULL), 0);
    assert_int_equal(join_token_read(path, &token, &err), 0);
    unlink(path);
    assert_int_equal(join_token_read(path, &token, &err), -1);
    assert_non_null(strstr(err.text, "cannot open "));
}

int main(void)
{
    const struct CMUnitTest join_token[] = {
        cmocka_unit_test(is_made_written_and_read),     cmocka_unit_test(takes_the_exact_form_only),
        cmocka_unit_test(knows_its_secret_by_the_hash), cmocka_unit_test(knows_an_id),
        cmocka_unit_test(is_read_from_a_file),
    };

    return cmocka_run_group_tests(join_token, NULL, NULL);
}
