/* One suite for every engine of record_engines, against every other as its peer, as client and as
 * server, in every version and with every cipher. What a peer sends that is not one of ours is in
 * test_hostile_record.c. */
#include "appnet/tls/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/version.h>

#include "record_support.h"
#include "support.h"
#include "tls_support.h"

static uint8_t text[RECORD_PLAINTEXT_MAX];

/* Seals `length` bytes of the text at one side; they must come out at the other. */
static void carry(struct side sides[2], int from, size_t length)
{
    size_t size;
    uint8_t *wire = side_seal(&sides[from], text, length, &size);

    side_arrive(&sides[1 - from], &sides[from], wire, size);
    side_expect(&sides[1 - from], text, length);
    assert_int_equal(sides[1 - from].arrived_size, 0);
    free(wire);
}

/* ---- the suite ---- */

static void carries_records_of_every_size(struct side sides[2])
{
    static const size_t edges[] = {
        255,  256,  257,  511,   512,   513,   1023,  1024,  1025,  4095,  4096,  4097,
        8191, 8192, 8193, 16367, 16368, 16369, 16374, 16375, 16376, 16381, 16382, RECORD_SEAL_MAX};

    for (int from = 0; from < 2; from++) {
        for (size_t length = 0; length <= 80; length++)
            carry(sides, from, length);
        for (size_t length = 81; length < RECORD_SEAL_MAX; length += 331)
            carry(sides, from, length);
        for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
            carry(sides, from, edges[i]);
    }
}

/* What is sealed is what the RFCs say, whoever reads it. */
static void seals_what_others_can_open(struct side sides[2])
{
    static const size_t lengths[] = {1, 2, 15, 16, 17, 100, 1000, RECORD_SEAL_MAX};
    static uint8_t content[RECORD_PLAINTEXT_MAX];

    for (int from = 0; from < 2; from++) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            size_t size;
            uint8_t *wire = side_seal(&sides[from], text, lengths[i], &size);
            uint8_t type;

            assert_int_equal(forger_open(&sides[from].forger, wire, size, &type, content),
                             lengths[i]);
            assert_int_equal(type, CONTENT_DATA);
            assert_memory_equal(content, text, lengths[i]);
            assert_in_range(size, lengths[i] + 21, RECORD_WIRE_MAX);
            free(wire);
        }
    }
}

/* Arrives in two pieces; `cut` bytes first. */
static void carry_cut(struct side sides[2], int from, size_t length, size_t cut)
{
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    struct side *to = &sides[1 - from];
    size_t opened_length;
    size_t size;
    uint8_t *wire = side_seal(&sides[from], text, length, &size);

    if (cut > size)
        cut = size;
    side_arrive(to, &sides[from], wire, cut);
    if (cut < size)
        assert_int_equal(side_open(to, opened, &opened_length), RECORD_PARTIAL);
    assert_int_equal(to->arrived_size, cut);
    side_arrive(to, &sides[from], wire + cut, size - cut);
    side_expect(to, text, length);
    free(wire);
}

static void waits_for_the_rest_of_a_record(struct side sides[2])
{
    for (int from = 0; from < 2; from++) {
        for (size_t cut = 0; cut <= 60; cut++)
            carry_cut(sides, from, 20, cut);
        for (size_t cut = 1; cut <= RECORD_WIRE_MAX; cut += 997)
            carry_cut(sides, from, RECORD_SEAL_MAX, cut);
        for (size_t back = 0; back < 60; back++)
            carry_cut(sides, from, 4000, 4000 + back);
    }
}

static void opens_one_of_several_at_a_time(struct side sides[2])
{
    enum { COUNT = 40 };
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    size_t half;
    size_t opened_length;

    for (int from = 0; from < 2; from++) {
        struct side *to = &sides[1 - from];
        uint8_t *all = malloc(COUNT * (size_t)RECORD_WIRE_MAX);
        size_t used = 0;
        size_t size;
        uint8_t *wire;

        assert_non_null(all);
        for (size_t i = 1; i <= COUNT; i++) {
            wire = side_seal(&sides[from], text + i, i * i, &size);
            memcpy(all + used, wire, size);
            used += size;
            free(wire);
        }
        wire = side_seal(&sides[from], text, 3000, &size);
        half = size / 2;
        memcpy(all + used, wire, half);
        side_arrive(to, &sides[from], all, used + half);
        for (size_t i = 1; i <= COUNT; i++)
            side_expect(to, text + i, i * i);
        assert_int_equal(side_open(to, opened, &opened_length), RECORD_PARTIAL);
        side_arrive(to, &sides[from], wire + half, size - half);
        side_expect(to, text, 3000);
        free(wire);
        free(all);
    }
}

static void carries_both_ways_at_once(struct side sides[2])
{
    for (uint32_t round = 0; round < 200; round++) {
        size_t sizes[2];
        uint8_t *wires[2];

        for (int i = 0; i < 2; i++)
            wires[i] = side_seal(&sides[i], text + i, 1 + round * 7 % 900, &sizes[i]);
        for (int i = 0; i < 2; i++) {
            side_arrive(&sides[1 - i], &sides[i], wires[i], sizes[i]);
            side_expect(&sides[1 - i], text + i, 1 + round * 7 % 900);
            free(wires[i]);
        }
    }
}

/* After what was sent before it, and with the other direction still open. */
static void closes_one_direction_after_the_other(struct side sides[2])
{
    uint8_t opened[100];
    size_t opened_length;

    for (int from = 0; from < 2; from++) {
        struct side *to = &sides[1 - from];
        size_t size;
        uint8_t *data = side_seal(&sides[from], text, 77, &size);
        size_t farewell_size;
        uint8_t *farewell;

        side_arrive(to, &sides[from], data, size);
        free(data);
        farewell = side_farewell(&sides[from], &farewell_size);
        assert_true(farewell_size > 0);
        side_arrive(to, &sides[from], farewell, farewell_size);
        side_expect(to, text, 77);
        assert_int_equal(side_open(to, opened, &opened_length), RECORD_CLOSED);
        free(farewell);
        if (from == 0)
            carry(sides, 1, 1000);
    }
}

static void fails_on_a_record_come_twice(struct side sides[2])
{
    size_t size;
    uint8_t *wire = side_seal(&sides[0], text, 50, &size);

    side_arrive(&sides[1], &sides[0], wire, size);
    side_arrive(&sides[1], &sides[0], wire, size);
    side_expect(&sides[1], text, 50);
    side_expect_failure(&sides[1], NULL);
    free(wire);
}

static void fails_on_a_record_left_out(struct side sides[2])
{
    size_t size;
    uint8_t *lost = side_seal(&sides[0], text, 50, &size);
    uint8_t *wire = side_seal(&sides[0], text, 50, &size);

    side_arrive(&sides[1], &sides[0], wire, size);
    side_expect_failure(&sides[1], NULL);
    free(lost);
    free(wire);
}

static void fails_on_a_record_of_the_other_direction(struct side sides[2])
{
    size_t size;
    uint8_t *wire = side_seal(&sides[1], text, 50, &size);

    side_arrive(&sides[1], &sides[0], wire, size);
    side_expect_failure(&sides[1], NULL);
    free(wire);
}

/* The failed side says why, if it can, and its peer hears it or nothing. */
static void says_farewell_after_a_failure(struct side sides[2])
{
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    size_t size;
    size_t length;
    uint8_t *wire = side_seal(&sides[0], text, 50, &size);

    wire[size - 1] ^= 1;
    side_arrive(&sides[1], &sides[0], wire, size);
    free(wire);
    side_expect_failure(&sides[1], NULL);
    wire = side_farewell(&sides[1], &size);
    if (size > 0) {
        side_arrive(&sides[0], &sides[1], wire, size);
        switch (side_open(&sides[0], opened, &length)) {
        case RECORD_CLOSED:
            break;
        case RECORD_FAILED:
            assert_non_null(strstr(sides[0].err.text, "fails authentication (TLS alert 20)"));
            break;
        default:
            fail_msg("the farewell was not understood");
        }
    }
    free(wire);
}

/* A key that has sealed as much as it may is changed, or the record layer says that it is spent. */
static void changes_its_keys_in_time(struct side sides[2])
{
    for (int from = 0; from < 2; from++) {
        struct record *record = sides[from].record;
        struct record *peer = sides[1 - from].record;
        const struct record_engine *engine = record->engine;
        unsigned changes = 0;

        record->key_limit = 10;
        for (int i = 0; i < 100; i++) {
            if (engine->control_due && engine->control_due(record)) {
                uint8_t *buffer = malloc(RECORD_BUFFER_SIZE);
                struct iovec wire;

                assert_non_null(buffer);
                assert_int_equal(engine->control(record, buffer, &wire, NULL), 0);
                if (!peer->engine->control) {
                    print_message("skipped: the engine %s knows no KeyUpdate\n",
                                  peer->engine->name);
                    free(buffer);
                    return;
                }
                side_arrive(&sides[1 - from], &sides[from], wire.iov_base, wire.iov_len);
                free(buffer);
                side_expect(&sides[1 - from], NULL, 0);
                assert_false(engine->control_due(record));
                changes++;
            }
            carry(sides, from, 200);
        }
        if (engine->control && sides[from].forger.keys.version == TLS_VERSION_13)
            assert_in_range(changes, 9, 11);
        else
            assert_int_equal(changes, 0);
        if (engine->spent)
            assert_int_equal(engine->spent(record),
                             sides[from].forger.keys.version == TLS_VERSION_12);
    }
}

static const struct {
    const char *name;
    void (*run)(struct side sides[2]);
} suite[] = {
    {"carries records of every size", carries_records_of_every_size},
    {"seals what others can open", seals_what_others_can_open},
    {"waits for the rest of a record", waits_for_the_rest_of_a_record},
    {"opens one of several at a time", opens_one_of_several_at_a_time},
    {"carries both ways at once", carries_both_ways_at_once},
    {"closes one direction after the other", closes_one_direction_after_the_other},
    {"fails on a record come twice", fails_on_a_record_come_twice},
    {"fails on a record left out", fails_on_a_record_left_out},
    {"fails on a record of the other direction", fails_on_a_record_of_the_other_direction},
    {"says farewell after a failure", says_farewell_after_a_failure},
    {"changes its keys in time", changes_its_keys_in_time},
};
#define SUITE (sizeof(suite) / sizeof(suite[0]))

struct run {
    const struct record_engine *engines[2];
    const struct setting *setting;
};

static void run_suite(void **state)
{
    const struct run *run = *state;

    for (size_t i = 0; i < SUITE; i++) {
        struct side sides[2];

        if (!sides_make(sides, run->setting, run->engines))
            return;
        print_message("  %s\n", suite[i].name);
        suite[i].run(sides);
        sides_free(sides);
    }
}

/* ---- the table ---- */

static void finds_engines_by_name(void **state)
{
    (void)state;
    for (const struct record_engine *const *at = record_engines; *at; at++)
        assert_ptr_equal(record_engine_find((*at)->name), *at);
    assert_null(record_engine_find("none"));
    assert_null(record_engine_find(""));
    assert_non_null(record_engine_find("mbedtls"));
}

static void prefers_the_first_that_works(void **state)
{
    const struct record_engine *best = record_engine_best();

    (void)state;
    assert_non_null(best);
    for (const struct record_engine *const *at = record_engines; *at != best; at++)
        assert_false((*at)->usable(NULL));
}

static void chooses_an_engine_for_a_session(void **state)
{
    struct tls_context *context = support_context("ca", "web");
    struct tls_session sessions[2];
    int fds[2];

    (void)state;
    support_sessions(context, context, sessions, fds);
    for (int i = 0; i < 2; i++) {
        struct record *record = record_new(NULL, &sessions[i], fds[i], NULL);

        assert_non_null(record);
        assert_ptr_equal(record->engine, record_engine_best());
        assert_int_equal(record->key_limit, RECORD_KEY_LIMIT);
        assert_null(sessions[i].ssl); /* used up */
        record_free(record);
        close(fds[i]);
    }
    record_free(NULL);
    tls_context_unref(context);
}

static void refuses_a_session_that_the_engine_cannot_serve(void **state)
{
    struct tls_session session = {.version = "TLSv1.2", .cipher = "some cipher"};
    struct error err = ERROR_INIT;

    (void)state;
    session.keys.send.key[0] = 7;
    assert_null(record_new(record_engine_find("mbedtls"), &session, -1, &err));
    assert_string_equal(err.text, "no record engine serves TLSv1.2 with some cipher");
    assert_int_equal(session.keys.send.key[0], 0);
}

/* RFC 8448, section 3: the records of its application data and its farewells. */
static void seals_and_opens_the_records_of_rfc_8448(void **state)
{
    static const uint8_t data[] =
        "\x17\x03\x03\x00\x43\xa2\x3f\x70\x54\xb6\x2c\x94\xd0\xaf\xfa\xfe\x82\x28\xba\x55\xcb\xef"
        "\xac\xea\x42\xf9\x14\xaa\x66\xbc\xab\x3f\x2b\x98\x19\xa8\xa5\xb4\x6b\x39\x5b\xd5\x4a\x9a"
        "\x20\x44\x1e\x2b\x62\x97\x4e\x1f\x5a\x62\x92\xa2\x97\x70\x14\xbd\x1e\x3d\xea\xe6\x3a\xee"
        "\xbb\x21\x69\x49\x15\xe4";
    static const uint8_t farewell[] = "\x17\x03\x03\x00\x13\xc9\x87\x27\x60\x65\x56\x66\xb7\x4d"
                                      "\x7f\xf1\x15\x3e\xfd\x6d\xb6\xd0\xb0\xe3";
    static const uint8_t secret[] =
        "\x9e\x40\x64\x6c\xe7\x9a\x7f\x9d\xc0\x5a\xf8\x88\x9b\xce\x65\x52\x87\x5a\xfa\x0b\x06\xdf"
        "\x00\x87\xf7\x92\xeb\xb7\xc1\x75\x04\xa5";
    struct tls_secrets secrets = {.length = 32};
    uint8_t plain[50];

    (void)state;
    memcpy(secrets.client, secret, 32);
    for (uint8_t i = 0; i < sizeof(plain); i++)
        plain[i] = i;
    for (const struct record_engine *const *at = record_engines; *at; at++) {
        struct tls_session sessions[2];
        struct side sides[2] = {{.fd = -1}, {.fd = -1}};
        size_t size;
        uint8_t *wire;

        memset(sessions, 0, sizeof(sessions));
        for (int i = 0; i < 2; i++) {
            sessions[i].keys.version = TLS_VERSION_13;
            sessions[i].keys.cipher = TLS_AES_128_GCM;
            sessions[i].is_client = i == 0;
            assert_int_equal(tls_keys_derive(&sessions[i].keys, &secrets, i == 0, NULL), 0);
        }
        if (strcmp((*at)->name, "ktls") == 0 || !(*at)->usable(&sessions[0])) {
            print_message("skipped: the engine %s does not work from keys in user space\n",
                          (*at)->name);
            continue;
        }
        for (int i = 0; i < 2; i++) {
            sides[i].record = record_new(*at, &sessions[i], -1, NULL);
            sides[i].arrived = malloc(1000);
            assert_non_null(sides[i].record);
            assert_non_null(sides[i].arrived);
        }
        wire = side_seal(&sides[0], plain, sizeof(plain), &size);
        assert_int_equal(size, sizeof(data) - 1);
        assert_memory_equal(wire, data, size);
        memcpy(sides[1].arrived, wire, size);
        sides[1].arrived_size = size;
        side_expect(&sides[1], plain, sizeof(plain));
        free(wire);
        wire = side_farewell(&sides[0], &size);
        assert_int_equal(size, sizeof(farewell) - 1);
        assert_memory_equal(wire, farewell, size);
        free(wire);
        for (int i = 0; i < 2; i++) {
            record_free(sides[i].record);
            free(sides[i].arrived);
        }
    }
}

static int set_up(void **state)
{
    support_fill(text, sizeof(text), 42);
    return support_enter_folder(state);
}

int main(void)
{
    enum { TESTS_MAX = 5 + SETTINGS * 4 * 4 };
    static struct run runs[TESTS_MAX];
    static char names[TESTS_MAX][100];
    struct CMUnitTest tests[TESTS_MAX] = {
        cmocka_unit_test(finds_engines_by_name),
        cmocka_unit_test(prefers_the_first_that_works),
        cmocka_unit_test(chooses_an_engine_for_a_session),
        cmocka_unit_test(refuses_a_session_that_the_engine_cannot_serve),
        cmocka_unit_test(seals_and_opens_the_records_of_rfc_8448),
    };
    size_t count = 5;

    for (const struct record_engine *const *client = record_engines; *client; client++) {
        for (const struct record_engine *const *server = record_engines; *server; server++) {
            for (size_t i = 0; i < SETTINGS && count < TESTS_MAX; i++, count++) {
                runs[count] = (struct run){{*client, *server}, &settings[i]};
                snprintf(names[count], sizeof(names[count]), "%s and %s, %s", (*client)->name,
                         (*server)->name, settings[i].name);
                tests[count] = (struct CMUnitTest){
                    .name = names[count], .test_func = run_suite, .initial_state = &runs[count]};
            }
        }
    }
    return _cmocka_run_group_tests("record", tests, count, set_up, support_leave_folder);
}
