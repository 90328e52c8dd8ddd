#include "appnet/tunnel/sender.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "record_support.h"
#include "support.h"

/* A sender at the client's side of a session, whose server we are. */
struct scene {
    struct side sides[2];
    struct buffers *buffers;
    struct sender sender;
    uint64_t filled; /* bytes of the pattern put into it */
    uint64_t opened; /* and taken out of records at the other side */
};

static uint8_t pattern_at(uint64_t place)
{
    return (uint8_t)(place * 7 + (place >> 8) * 13 + (place >> 16) * 31);
}

static void scene_make(struct scene *scene)
{
    const struct record_engine *engine = record_engine_find("mbedtls");
    const struct record_engine *const engines[2] = {engine, engine};

    memset(scene, 0, sizeof(*scene));
    assert_true(sides_make(scene->sides, &settings[0], engines));
    scene->buffers = buffers_new();
    scene->sender.buffers = scene->buffers;
    scene->sender.record = scene->sides[0].record;
    scene->sender.fd = scene->sides[0].fd;
}

static void scene_free(struct scene *scene)
{
    sender_clear(&scene->sender);
    assert_null(scene->sender.open);
    assert_null(scene->sender.first);
    assert_int_equal(scene->sender.count, 0);
    buffers_free(scene->buffers);
    sides_free(scene->sides);
}

/* A frame of this size; false when there is no room. */
static bool fill(struct scene *scene, size_t size)
{
    size_t room;
    uint8_t *place = sender_room(&scene->sender, size, &room);

    if (!place)
        return false;
    assert_in_range(room, size, RECORD_SEAL_MAX);
    for (size_t i = 0; i < size; i++)
        place[i] = pattern_at(scene->filled + i);
    scene->filled += size;
    sender_commit(&scene->sender, size);
    return true;
}

/* Offers a frame of `want` bytes behind a header of 9, of which only `given` come; returns how many
 * there was room for. */
static size_t fill_parts(struct scene *scene, size_t want, unsigned most, size_t given)
{
    struct iovec parts[16];
    size_t size;
    unsigned count = sender_parts(&scene->sender, 9, want, parts, most, &size);
    size_t left = given < size ? given : size;

    assert_in_range(count, 0, most);
    if (count == 0)
        return 0;
    for (size_t i = 0; i < 9; i++)
        ((uint8_t *)parts[0].iov_base)[(ssize_t)i - 9] = pattern_at(scene->filled++);
    sender_commit(&scene->sender, 0); /* nothing yet */
    for (unsigned part = 0; part < count; part++) {
        for (size_t i = 0; i < parts[part].iov_len && left > 0; i++, left--)
            ((uint8_t *)parts[part].iov_base)[i] = pattern_at(scene->filled++);
    }
    sender_commit(&scene->sender, 9 + (given < size ? given : size));
    return size;
}

static enum sender_result flush(struct scene *scene)
{
    struct error err = ERROR_INIT;
    enum sender_result result = sender_flush(&scene->sender, &err);

    assert_int_equal(result == SENDER_FAILED, err.text[0] != '\0');
    return result;
}

/* Takes what has arrived at the other side. */
static void arrive(struct scene *scene)
{
    struct side *side = &scene->sides[1];
    ssize_t n;

    do {
        n = side->record->engine->receive(side->record, side->fd,
                                          side->arrived + side->arrived_size, 65536);
        if (n > 0)
            side->arrived_size += (size_t)n;
    } while (n > 0 && side->arrived_size < 1000000);
}

/* Until the one side can send or the other can receive. */
static void wait_for_sockets(struct scene *scene)
{
    struct pollfd sockets[] = {{.fd = scene->sides[1].fd, .events = POLLIN},
                               {.fd = scene->sender.fd, .events = POLLOUT}};

    if (poll(sockets, 2, 20000) < 1)
        fail_msg("nothing moves any more");
    arrive(scene);
}

static void flush_all(struct scene *scene)
{
    while (flush(scene) == SENDER_BLOCKED)
        wait_for_sockets(scene);
}

/* The next record; its length, 0 if there is none, and -1 for the farewell. */
static ssize_t next_record(struct scene *scene)
{
    static uint8_t plain[RECORD_PLAINTEXT_MAX];
    size_t length;

    arrive(scene);
    switch (side_open(&scene->sides[1], plain, &length)) {
    case RECORD_OPENED:
        for (size_t i = 0; i < length; i++)
            assert_int_equal(plain[i], pattern_at(scene->opened + i));
        scene->opened += length;
        return (ssize_t)length;
    case RECORD_CLOSED:
        return -1;
    case RECORD_PARTIAL:
        return 0;
    case RECORD_FAILED:
        break;
    }
    fail_msg("%s", scene->sides[1].err.text);
    return 0;
}

/* ---- */

static void sends_nothing_when_there_is_nothing(void **state)
{
    struct scene scene;
    size_t room;

    (void)state;
    scene_make(&scene);
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_non_null(sender_room(&scene.sender, 1, &room));
    assert_int_equal(room, RECORD_SEAL_MAX);
    assert_int_equal(flush(&scene), SENDER_EMPTY); /* room was asked for and not used */
    assert_null(scene.sender.open);
    assert_int_equal(scene.sender.sent, 0);
    assert_int_equal(next_record(&scene), 0);
    scene_free(&scene);
}

static void puts_small_frames_into_one_record(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < 30; i++)
        assert_true(fill(&scene, 100));
    assert_int_equal(scene.sender.sent, 0);
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_int_equal(next_record(&scene), 3000);
    assert_int_equal(next_record(&scene), 0);
    assert_in_range(scene.sender.sent, 3000 + 20, 3000 + 40);
    assert_true(fill(&scene, 7)); /* what comes later is a record of its own */
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_int_equal(next_record(&scene), 7);
    scene_free(&scene);
}

static void begins_a_record_where_a_frame_does_not_fit(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    assert_true(fill(&scene, 10000));
    assert_true(fill(&scene, 7000));
    assert_true(fill(&scene, RECORD_SEAL_MAX - 7000));
    assert_true(fill(&scene, 5));
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_int_equal(next_record(&scene), 10000);
    assert_int_equal(next_record(&scene), RECORD_SEAL_MAX);
    assert_int_equal(next_record(&scene), 5);
    scene_free(&scene);
}

static void seals_a_record_that_is_almost_full(void **state)
{
    struct scene scene;
    size_t room;

    (void)state;
    scene_make(&scene);
    assert_true(fill(&scene, RECORD_SEAL_MAX - 2048));
    assert_non_null(scene.sender.open); /* still worth filling */
    assert_true(fill(&scene, 1));
    assert_null(scene.sender.open);
    assert_int_equal(scene.sender.count, 1);
    assert_non_null(sender_room(&scene.sender, 1, &room));
    assert_int_equal(room, RECORD_SEAL_MAX);
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_int_equal(next_record(&scene), RECORD_SEAL_MAX - 2047);
    scene_free(&scene);
}

static void lays_one_frame_over_several_records(void **state)
{
    const size_t whole = 4 * RECORD_SEAL_MAX - 9;
    struct scene scene;

    (void)state;
    scene_make(&scene);
    assert_int_equal(fill_parts(&scene, whole, 16, whole), whole);
    assert_null(scene.sender.open);
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    for (int i = 0; i < 4; i++)
        assert_int_equal(next_record(&scene), RECORD_SEAL_MAX);
    assert_int_equal(next_record(&scene), 0);

    /* Behind a small frame, and not all of what there was room for. */
    assert_true(fill(&scene, 100));
    assert_int_equal(fill_parts(&scene, whole, 16, 20000), whole);
    assert_true(fill(&scene, 50));
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    assert_null(scene.sender.spare);
    assert_int_equal(next_record(&scene), RECORD_SEAL_MAX);
    assert_int_equal(next_record(&scene), 100 + 9 + 20000 - RECORD_SEAL_MAX + 50);
    assert_int_equal(next_record(&scene), 0);
    scene_free(&scene);
}

static void gives_a_frame_no_more_parts_than_wanted(void **state)
{
    struct scene scene;
    int frames = 0;

    (void)state;
    scene_make(&scene);
    assert_int_equal(fill_parts(&scene, 1000000, 1, 10), RECORD_SEAL_MAX - 9);
    assert_int_equal(fill_parts(&scene, 70, 16, 70), 70);
    assert_int_equal(fill_parts(&scene, 1000000, 2, 10), 2 * RECORD_SEAL_MAX - 9 - 19 - 79);
    flush_all(&scene);
    assert_int_equal(next_record(&scene), 19 + 79 + 19);
    /* The queue's bound holds for parts, too. */
    while (fill_parts(&scene, 5 * RECORD_SEAL_MAX - 9, 16, 1000000) > 0)
        frames++;
    assert_int_equal(frames, 4);
    assert_in_range(scene.sender.count, SENDER_QUEUE, SENDER_QUEUE + 1);
    flush_all(&scene);
    while (next_record(&scene) > 0)
        ;
    assert_int_equal(scene.opened, scene.filled);
    scene_free(&scene);
}

static void holds_a_bounded_number_of_records(void **state)
{
    struct scene scene;
    unsigned count = 0;

    (void)state;
    scene_make(&scene);
    for (int round = 0; round < 3; round++) {
        while (fill(&scene, RECORD_SEAL_MAX)) {
            count++;
            assert_in_range(count, 1, 200);
        }
        assert_false(scene.sender.broken);
        assert_int_equal(scene.sender.count, SENDER_QUEUE);
        flush_all(&scene);
        assert_int_equal(scene.sender.count, 0);
    }
    assert_int_equal(count, 3 * SENDER_QUEUE);
    while (count-- > 0)
        assert_int_equal(next_record(&scene), RECORD_SEAL_MAX);
    scene_free(&scene);
}

/* A packet that was begun before the queue was full may still be filled, and one more control
 * record may stand before it. */
static void finishes_what_was_begun_when_the_queue_is_full(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < SENDER_QUEUE; i++)
        assert_true(fill(&scene, 15000)); /* each time the next one is begun */
    assert_int_equal(scene.sender.count, SENDER_QUEUE);
    assert_false(fill(&scene, 1));
    flush_all(&scene);
    for (int i = 0; i < SENDER_QUEUE; i++)
        assert_int_equal(next_record(&scene), 15000);
    for (int i = 0; i < SENDER_QUEUE; i++)
        assert_true(fill(&scene, 10000));
    assert_non_null(scene.sender.open);
    assert_int_equal(scene.sender.count, SENDER_QUEUE - 1);
    assert_true(fill(&scene, 6000));
    assert_false(fill(&scene, 1));
    flush_all(&scene);
    for (int i = 0; i < SENDER_QUEUE - 1; i++)
        assert_int_equal(next_record(&scene), 10000);
    assert_int_equal(next_record(&scene), 16000);
    scene_free(&scene);
}

static void goes_on_where_the_socket_stopped(void **state)
{
    enum { ALL = 3000000 };
    struct scene scene;
    unsigned blocked = 0;
    int small = 16384;

    (void)state;
    scene_make(&scene);
    assert_int_equal(setsockopt(scene.sender.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    while (scene.opened < ALL) {
        while (scene.filled < ALL && fill(&scene, 1 + scene.filled % 9000))
            continue;
        if (flush(&scene) == SENDER_BLOCKED) {
            blocked++;
            assert_non_null(scene.sender.first);
        } else {
            assert_null(scene.sender.first);
            assert_int_equal(scene.sender.count, 0);
        }
        wait_for_sockets(&scene);
        while (next_record(&scene) > 0)
            continue;
    }
    assert_int_equal(scene.opened, scene.filled);
    assert_true(blocked > 0);
    scene_free(&scene);
}

static void says_farewell_behind_everything(void **state)
{
    struct scene scene;
    uint64_t before;

    (void)state;
    scene_make(&scene);
    assert_true(fill(&scene, 50));
    assert_int_equal(flush(&scene), SENDER_EMPTY);
    before = scene.sender.sent;
    sender_farewell(&scene.sender);
    assert_true(scene.sender.sent > before);
    assert_int_equal(next_record(&scene), 50);
    assert_int_equal(next_record(&scene), -1);
    scene_free(&scene);
}

static void says_no_farewell_in_the_middle_of_a_record(void **state)
{
    struct scene scene;
    int small = 4096;

    (void)state;
    scene_make(&scene);
    assert_int_equal(setsockopt(scene.sender.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    do {
        while (fill(&scene, RECORD_SEAL_MAX))
            continue;
    } while (flush(&scene) == SENDER_EMPTY);
    sender_farewell(&scene.sender);
    sender_clear(&scene.sender);
    while (next_record(&scene) > 0)
        continue;
    scene_free(&scene);
}

static void fails_when_the_peer_is_gone(void **state)
{
    struct scene scene;
    struct error err = ERROR_INIT;
    enum sender_result result = SENDER_EMPTY;

    (void)state;
    scene_make(&scene);
    shutdown(scene.sides[0].fd, SHUT_RDWR);
    assert_true(fill(&scene, 10));
    result = sender_flush(&scene.sender, &err);
    assert_int_equal(result, SENDER_FAILED);
    assert_string_equal(err.text, "sending to the peer failed: Broken pipe");
    scene_free(&scene);
}

/* ---- engines that do what real ones seldom do ---- */

static unsigned sealed, controls;

static int refuse_to_seal(struct record *record, uint8_t *plain, size_t length, struct iovec *wire,
                          struct error *err)
{
    (void)record;
    (void)plain;
    (void)length;
    (void)wire;
    return error_set(err, "the engine is worn out");
}

static int seal_plainly(struct record *record, uint8_t *plain, size_t length, struct iovec *wire,
                        struct error *err)
{
    (void)record;
    (void)err;
    sealed++;
    *wire = (struct iovec){plain, length};
    return 0;
}

/* Before every third record. */
static bool control_is_due(const struct record *record)
{
    (void)record;
    return sealed / 3 >= controls;
}

static int seal_control(struct record *record, uint8_t *buffer, struct iovec *wire,
                        struct error *err)
{
    (void)record;
    (void)err;
    controls++;
    buffer[0] = '!';
    *wire = (struct iovec){buffer, 1};
    return 0;
}

static void says_why_a_record_could_not_be_sealed(void **state)
{
    static const struct record_engine engine = {.name = "worn", .seal = refuse_to_seal};
    struct record record = {.engine = &engine};
    struct scene scene;
    struct error err = ERROR_INIT;

    (void)state;
    scene_make(&scene);
    scene.sender.record = &record;
    assert_true(fill(&scene, RECORD_SEAL_MAX));
    assert_true(scene.sender.broken);
    assert_false(fill(&scene, 10));
    assert_int_equal(sender_flush(&scene.sender, &err), SENDER_FAILED);
    assert_string_equal(err.text, "the engine is worn out");
    sender_farewell(&scene.sender); /* there is nothing left to say */
    scene_free(&scene);
}

static void sends_control_records_before_the_next(void **state)
{
    static const struct record_engine engine = {.name = "controlling",
                                                .seal = seal_plainly,
                                                .control_due = control_is_due,
                                                .control = seal_control};
    struct record record = {.engine = &engine};
    struct scene scene;
    char heard[100];
    ssize_t length;

    (void)state;
    sealed = controls = 0;
    scene_make(&scene);
    scene.sender.record = &record;
    for (int i = 0; i < 7; i++) {
        size_t room;
        uint8_t *place = sender_room(&scene.sender, 1, &room);

        assert_non_null(place);
        *place = (uint8_t)('a' + i);
        sender_commit(&scene.sender, 1);
        assert_int_equal(flush(&scene), SENDER_EMPTY);
    }
    length = recv(scene.sides[1].fd, heard, sizeof(heard) - 1, 0);
    assert_true(length > 0);
    heard[length] = '\0';
    assert_string_equal(heard, "!abc!def!g");
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest sender[] = {
        cmocka_unit_test(sends_nothing_when_there_is_nothing),
        cmocka_unit_test(puts_small_frames_into_one_record),
        cmocka_unit_test(begins_a_record_where_a_frame_does_not_fit),
        cmocka_unit_test(seals_a_record_that_is_almost_full),
        cmocka_unit_test(lays_one_frame_over_several_records),
        cmocka_unit_test(gives_a_frame_no_more_parts_than_wanted),
        cmocka_unit_test(holds_a_bounded_number_of_records),
        cmocka_unit_test(finishes_what_was_begun_when_the_queue_is_full),
        cmocka_unit_test(goes_on_where_the_socket_stopped),
        cmocka_unit_test(says_farewell_behind_everything),
        cmocka_unit_test(says_no_farewell_in_the_middle_of_a_record),
        cmocka_unit_test(fails_when_the_peer_is_gone),
        cmocka_unit_test(says_why_a_record_could_not_be_sealed),
        cmocka_unit_test(sends_control_records_before_the_next),
    };

    return cmocka_run_group_tests(sender, support_enter_folder, support_leave_folder);
}
