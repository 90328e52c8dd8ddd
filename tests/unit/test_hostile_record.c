/* What a peer may send to a record layer, right and wrong, to every engine, as client and as
 * server, in every version and with every cipher. The peer is forger.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record_support.h"
#include "support.h"

#define SECRET_TEXT "thirty bytes of somebody's own"

/* One session: the engine's side, and the peer's. */
struct scene {
    struct side sides[2];
    struct side *me, *peer;
    bool v13;
};

static uint8_t wire[FORGER_WIRE_MAX];
static uint8_t big[20000];

/* The peer seals and sends. */
static void say(struct scene *scene, uint8_t type, const void *content, size_t length)
{
    size_t size = forger_seal(&scene->peer->forger, type, content, length, 0, wire);

    side_arrive(scene->me, scene->peer, wire, size);
}

static void say_raw(struct scene *scene, const void *bytes, size_t size)
{
    side_arrive(scene->me, scene->peer, bytes, size);
}

static void expect_data(struct scene *scene)
{
    say(scene, CONTENT_DATA, SECRET_TEXT, 30);
    side_expect(scene->me, SECRET_TEXT, 30);
}

static void expect_failure(struct scene *scene)
{
    side_expect_failure(scene->me, NULL);
}

/* The last record of the engine's is an alert; what it says, or -1 if there is none. */
static int last_word(struct scene *scene)
{
    uint8_t content[RECORD_PLAINTEXT_MAX];
    uint8_t type = 0;
    size_t size;
    uint8_t *farewell = side_farewell(scene->me, &size);
    size_t length = size > 0 ? forger_open(&scene->me->forger, farewell, size, &type, content) : 0;

    free(farewell);
    if (size == 0)
        return -1;
    assert_int_equal(type, CONTENT_ALERT);
    assert_int_equal(length, 2);
    return content[1];
}

/* ---- what is right ---- */

static void opens_what_is_right(struct scene *scene, unsigned variant)
{
    static const size_t lengths[] = {1, 2, 16, 17, 1000, 16383, 16384};

    (void)variant;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        say(scene, CONTENT_DATA, big, lengths[i]);
        side_expect(scene->me, big, lengths[i]);
    }
    say(scene, CONTENT_DATA, NULL, 0);
    side_expect(scene->me, NULL, 0);
    expect_data(scene);
}

static void takes_padding_off(struct scene *scene, unsigned variant)
{
    static const size_t padding[] = {1, 2, 15, 16, 255, 256, 1000, 16354};
    size_t size;

    (void)variant;
    if (!scene->v13)
        return;
    for (size_t i = 0; i < sizeof(padding) / sizeof(padding[0]); i++) {
        size = forger_seal(&scene->peer->forger, CONTENT_DATA, SECRET_TEXT, 30, padding[i], wire);
        say_raw(scene, wire, size);
        side_expect(scene->me, SECRET_TEXT, 30);
    }
    /* Zeros of the content's own stay. */
    memset(big, 0, 100);
    size = forger_seal(&scene->peer->forger, CONTENT_DATA, big, 100, 50, wire);
    say_raw(scene, wire, size);
    side_expect(scene->me, big, 100);
}

static void understands_a_farewell(struct scene *scene, unsigned variant)
{
    uint8_t opened[100];
    size_t length;

    (void)variant;
    expect_data(scene);
    say(scene, CONTENT_ALERT, "\x01\x00", 2);
    assert_int_equal(side_open(scene->me, opened, &length), RECORD_CLOSED);
    assert_int_equal(last_word(scene), 0);
}

static void goes_on_after_a_warning(struct scene *scene, unsigned variant)
{
    static const uint8_t cancelled[] = {1, 90};

    (void)variant;
    say(scene, CONTENT_ALERT, cancelled, 2);
    side_expect(scene->me, NULL, 0);
    expect_data(scene);
}

static void says_what_an_alert_means(struct scene *scene, unsigned variant)
{
    static const uint8_t distrust[] = {2, 48};

    (void)variant;
    say(scene, CONTENT_ALERT, distrust, 2);
    side_expect_failure(scene->me, "it does not trust the CA of our certificate (TLS alert 48)");
}

/* ---- what is forged ---- */

static void fails_on_a_changed_byte(struct scene *scene, unsigned variant)
{
    size_t size = forger_seal(&scene->peer->forger, CONTENT_DATA, SECRET_TEXT, 30, 0, wire);
    const size_t places[] = {0,  1,         5,         12,        13,       14,
                             20, size - 25, size - 17, size - 16, size - 8, size - 1};
    size_t place = places[variant];

    wire[place] ^= 0x40;
    say_raw(scene, wire, size);
    expect_failure(scene);
    if (place >= 5) {
        int word = last_word(scene);

        if (word >= 0)
            assert_int_equal(word, 20); /* bad_record_mac */
    }
}

static void fails_on_a_record_cut_short(struct scene *scene, unsigned variant)
{
    static const size_t cuts[] = {1, 8, 16, 17, 24, 30, 45, 46, 1000};
    size_t size = forger_seal(&scene->peer->forger, CONTENT_DATA, SECRET_TEXT, 30, 0, wire);
    size_t left = size > 5 + cuts[variant] ? size - cuts[variant] : 5;

    wire[3] = 0;
    wire[4] = (uint8_t)(left - 5);
    say_raw(scene, wire, left);
    expect_failure(scene);
}

static void fails_on_a_length_that_cannot_be(struct scene *scene, unsigned variant)
{
    static const size_t lengths[] = {RECORD_WIRE_MAX - RECORD_HEADER_SIZE + 1, 0x8000, 0xffff};
    uint8_t header[16] = {CONTENT_DATA, 3, 3};

    header[3] = (uint8_t)(lengths[variant] >> 8);
    header[4] = (uint8_t)lengths[variant];
    say_raw(scene, header, sizeof(header));
    expect_failure(scene); /* at once, not when all of it is there */
}

static void fails_on_too_much_plaintext(struct scene *scene, unsigned variant)
{
    static const size_t lengths[] = {RECORD_PLAINTEXT_MAX + 1, RECORD_PLAINTEXT_MAX + 100,
                                     RECORD_PLAINTEXT_MAX + 256};

    say(scene, CONTENT_DATA, big, lengths[variant]);
    expect_failure(scene);
}

/* TLS 1.3's empty ChangeCipherSpec may be ignored even where it has no business. */
static void makes_nothing_of_other_types(struct scene *scene, unsigned variant)
{
    static const uint8_t types[] = {CONTENT_CCS, 24, 19, 128, 255};
    uint8_t opened[100];
    size_t length;

    say(scene, types[variant], "\x01", 1);
    if (side_open(scene->me, opened, &length) != RECORD_FAILED) {
        assert_int_equal(types[variant], CONTENT_CCS);
        assert_true(scene->v13);
        assert_int_equal(length, 0);
    }
}

static void fails_on_a_record_without_a_type(struct scene *scene, unsigned variant)
{
    (void)variant;
    if (!scene->v13)
        return;
    say(scene, 0, NULL, 0);
    expect_failure(scene);
}

static void fails_on_handshake_messages(struct scene *scene, unsigned variant)
{
    static const struct {
        const char *bytes;
        size_t length;
    } messages[] = {
        {"\x00\x00\x00\x00", 4},         /* HelloRequest */
        {"\x01\x00\x00\x02\x03\x03", 6}, /* ClientHello */
        {"\x14\x00\x00\x0c"
         "twelve bytes",
         16},                    /* Finished */
        {"\x0b\x00\x00\x00", 4}, /* Certificate */
        {"", 0},                 /* nothing */
    };

    say(scene, CONTENT_HANDSHAKE, messages[variant].bytes, messages[variant].length);
    expect_failure(scene);
}

static void fails_on_malformed_alerts(struct scene *scene, unsigned variant)
{
    static const size_t lengths[] = {1, 3, 4};

    say(scene, CONTENT_ALERT, "\x01\x00\x01\x00", lengths[variant]);
    expect_failure(scene);
}

/* Whoever sits on the wire can write these. */
static void fails_on_what_is_not_sealed(struct scene *scene, unsigned variant)
{
    static const char *const records[] = {
        "\x15\x03\x03\x00\x02\x01\x00", /* close_notify */
        "\x15\x03\x03\x00\x02\x02\x30", /* unknown_ca */
        "\x17\x03\x03\x00\x02hi",       "\x16\x03\x03\x00\x02hi", "\x14\x03\x03\x00\x02hi",
    };
    uint8_t opened[100];
    size_t length;

    say_raw(scene, records[variant], 7);
    assert_int_equal(side_open(scene->me, opened, &length), RECORD_FAILED);
    assert_null(strstr(scene->me->err.text, "trust the CA"));
}

static void fails_on_noise(struct scene *scene, unsigned variant)
{
    static uint8_t opened[RECORD_PLAINTEXT_MAX];
    uint8_t noise[700];
    size_t length;
    enum record_result result;

    support_fill(noise, sizeof(noise), variant);
    if (variant % 2 == 1)
        memcpy(noise, "\x17\x03\x03\x00", 4);
    say_raw(scene, noise, 1 + variant * 29 % sizeof(noise));
    result = side_open(scene->me, opened, &length);
    assert_true(result == RECORD_FAILED || result == RECORD_PARTIAL);
}

static void does_not_open_empty_records_for_ever(struct scene *scene, unsigned variant)
{
    uint8_t opened[100];
    size_t length;
    unsigned count = 0;

    (void)variant;
    do {
        say(scene, CONTENT_DATA, NULL, 0);
        count++;
    } while (count < 100 && side_open(scene->me, opened, &length) == RECORD_OPENED);
    assert_in_range(count, 2, 99);
}

/* ---- KeyUpdate, and what else may come after the handshake of TLS 1.3 ---- */

static bool updates_keys(const struct scene *scene)
{
    return scene->v13 && scene->me->record->engine->control;
}

static void say_update(struct scene *scene, uint8_t request)
{
    uint8_t message[] = {24, 0, 0, 1, request};

    say(scene, CONTENT_HANDSHAKE, message, sizeof(message));
    side_expect(scene->me, NULL, 0);
    forger_update(&scene->peer->forger);
}

static void follows_the_key_updates_of_its_peer(struct scene *scene, unsigned variant)
{
    struct tls_key old = scene->peer->forger.key;

    (void)variant;
    if (!updates_keys(scene))
        return;
    for (int i = 0; i < 50; i++) {
        say_update(scene, 0);
        expect_data(scene);
    }
    assert_false(scene->me->record->engine->control_due(scene->me->record));
    scene->peer->forger.key = old;
    say(scene, CONTENT_DATA, SECRET_TEXT, 30);
    expect_failure(scene);
}

static void changes_its_key_when_asked(struct scene *scene, unsigned variant)
{
    const struct record_engine *engine = scene->me->record->engine;
    uint8_t content[RECORD_PLAINTEXT_MAX];
    uint8_t buffer[RECORD_BUFFER_SIZE];
    struct iovec out;
    uint8_t *sealed;
    uint8_t type;
    size_t size;

    (void)variant;
    if (!updates_keys(scene))
        return;
    for (int i = 0; i < 3; i++) {
        expect_data(scene);
        say_update(scene, 1);
        say_update(scene, 1); /* one answer is enough for both */
        assert_true(engine->control_due(scene->me->record));
        assert_int_equal(engine->control(scene->me->record, buffer, &out, NULL), 0);
        assert_false(engine->control_due(scene->me->record));
        assert_int_equal(forger_open(&scene->me->forger, out.iov_base, out.iov_len, &type, content),
                         5);
        assert_int_equal(type, CONTENT_HANDSHAKE);
        assert_memory_equal(content, "\x18\x00\x00\x01\x00", 5); /* and asks for none itself */
        forger_update(&scene->me->forger);
        sealed = side_seal(scene->me, SECRET_TEXT, 30, &size);
        assert_int_equal(forger_open(&scene->me->forger, sealed, size, &type, content), 30);
        assert_memory_equal(content, SECRET_TEXT, 30);
        free(sealed);
    }
}

static void fails_on_malformed_key_updates(struct scene *scene, unsigned variant)
{
    static const struct {
        const char *bytes;
        size_t length;
    } messages[] = {
        {"\x18\x00\x00\x01\x02", 5},
        {"\x18\x00\x00\x00", 4},
        {"\x18\x00\x00\x02\x00\x00", 6},
        {"\x18\x00\x00\x01\x00\x18\x00\x00\x01\x00",
         10}, /* something behind it, with the old key */
    };

    if (!updates_keys(scene))
        return;
    say(scene, CONTENT_HANDSHAKE, messages[variant].bytes, messages[variant].length);
    expect_failure(scene);
}

static void does_not_update_keys_for_ever(struct scene *scene, unsigned variant)
{
    static const uint8_t message[] = {24, 0, 0, 1, 1};
    uint8_t opened[100];
    size_t length;
    unsigned count = 0;

    (void)variant;
    if (!updates_keys(scene))
        return;
    do {
        if (count > 0)
            forger_update(&scene->peer->forger);
        say(scene, CONTENT_HANDSHAKE, message, sizeof(message));
        count++;
    } while (count < 100 && side_open(scene->me, opened, &length) == RECORD_OPENED);
    assert_in_range(count, 2, 99);
}

/* Servers other than ours send tickets, in one record or in pieces. */
static void ignores_tickets(struct scene *scene, unsigned variant)
{
    /* lifetime, age, nonce, ticket, no extensions */
    static const uint8_t ticket[] = {4, 0, 0, 21,  0,   0,   14,  16,  1,   2,   3,   4, 1,
                                     9, 0, 8, 't', 'i', 'c', 'k', 'e', 't', '!', '!', 0, 0};
    static const size_t pieces[] = {sizeof(ticket) - 1, 1, 3, 4, 5};
    size_t length = sizeof(ticket) - 1;

    if (!scene->v13 || scene->me == &scene->sides[1])
        return;
    if (variant > 0 && !updates_keys(scene))
        return;
    for (size_t at = 0; at < length; at += pieces[variant]) {
        size_t piece = length - at < pieces[variant] ? length - at : pieces[variant];

        say(scene, CONTENT_HANDSHAKE, ticket + at, piece);
        side_expect(scene->me, NULL, 0);
    }
    expect_data(scene);
}

static void fails_on_data_in_the_middle_of_a_message(struct scene *scene, unsigned variant)
{
    static const uint8_t types[] = {CONTENT_DATA, CONTENT_ALERT};

    if (!updates_keys(scene))
        return;
    say(scene, CONTENT_HANDSHAKE, "\x18\x00", 2);
    side_expect(scene->me, NULL, 0);
    say(scene, types[variant], "\x01\x00", 2);
    expect_failure(scene);
}

/* ---- */

static const struct {
    const char *name;
    void (*run)(struct scene *scene, unsigned variant);
    unsigned variants; /* each with a session of its own */
} suite[] = {
    {"opens what is right", opens_what_is_right, 1},
    {"takes padding off", takes_padding_off, 1},
    {"understands a farewell", understands_a_farewell, 1},
    {"goes on after a warning", goes_on_after_a_warning, 1},
    {"says what an alert means", says_what_an_alert_means, 1},
    {"fails on a changed byte", fails_on_a_changed_byte, 12},
    {"fails on a record cut short", fails_on_a_record_cut_short, 9},
    {"fails on a length that cannot be", fails_on_a_length_that_cannot_be, 3},
    {"fails on too much plaintext", fails_on_too_much_plaintext, 3},
    {"makes nothing of other types", makes_nothing_of_other_types, 5},
    {"fails on a record without a type", fails_on_a_record_without_a_type, 1},
    {"fails on handshake messages", fails_on_handshake_messages, 5},
    {"fails on malformed alerts", fails_on_malformed_alerts, 3},
    {"fails on what is not sealed", fails_on_what_is_not_sealed, 5},
    {"fails on noise", fails_on_noise, 24},
    {"does not open empty records for ever", does_not_open_empty_records_for_ever, 1},
    {"follows the key updates of its peer", follows_the_key_updates_of_its_peer, 1},
    {"changes its key when asked", changes_its_key_when_asked, 1},
    {"fails on malformed key updates", fails_on_malformed_key_updates, 4},
    {"does not update keys for ever", does_not_update_keys_for_ever, 1},
    {"ignores tickets", ignores_tickets, 5},
    {"fails on data in the middle of a message", fails_on_data_in_the_middle_of_a_message, 2},
};
#define SUITE (sizeof(suite) / sizeof(suite[0]))

struct run {
    const struct record_engine *engine;
    const struct setting *setting;
};

static void run_suite(void **state)
{
    const struct run *run = *state;

    for (size_t i = 0; i < SUITE; i++) {
        print_message("  %s\n", suite[i].name);
        for (unsigned variant = 0; variant < suite[i].variants; variant++) {
            for (int me = 0; me < 2; me++) {
                const struct record_engine *engines[2] = {NULL, NULL};
                struct scene scene;

                engines[me] = run->engine;
                if (!sides_make(scene.sides, run->setting, engines))
                    return;
                scene.me = &scene.sides[me];
                scene.peer = &scene.sides[1 - me];
                scene.v13 = run->setting->version == TLS_VERSION_13;
                support_fill(big, sizeof(big), 77);
                suite[i].run(&scene, variant);
                sides_free(scene.sides);
            }
        }
    }
}

int main(void)
{
    enum { TESTS_MAX = SETTINGS * 6 };
    static struct run runs[TESTS_MAX];
    static char names[TESTS_MAX][100];
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;

    memset(tests, 0, sizeof(tests));
    for (const struct record_engine *const *at = record_engines; *at; at++) {
        for (size_t i = 0; i < SETTINGS && count < TESTS_MAX; i++, count++) {
            runs[count] = (struct run){*at, &settings[i]};
            snprintf(names[count], sizeof(names[count]), "%s, %s", (*at)->name, settings[i].name);
            tests[count] = (struct CMUnitTest){
                .name = names[count], .test_func = run_suite, .initial_state = &runs[count]};
        }
    }
    return _cmocka_run_group_tests("hostile_record", tests, count, support_enter_folder,
                                   support_leave_folder);
}
