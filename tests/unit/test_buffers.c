#include "appnet/tunnel/buffers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

#define MANY 200

static void hands_out_empty_ones(void **state)
{
    struct buffers *buffers = buffers_new();

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct packet *packet = buffers_take_packet(buffers);
        struct receive_buffer *receive = buffers_take_receive(buffers);

        assert_non_null(packet);
        assert_non_null(receive);
        assert_null(packet->next);
        assert_null(packet->wire.iov_base);
        assert_int_equal(packet->wire.iov_len, 0);
        assert_int_equal(packet->used, 0);
        assert_null(receive->next);
        assert_int_equal(receive->begin, 0);
        assert_int_equal(receive->end, 0);
        memset(packet->bytes, 0xff, sizeof(packet->bytes));
        memset(receive->bytes, 0xff, sizeof(receive->bytes));
        packet->used = packet->wire.iov_len = 77;
        receive->begin = receive->end = 77;
        buffers_give_packet(buffers, packet);
        buffers_give_receive(buffers, receive);
    }
    buffers_free(buffers);
}

static void uses_again_what_was_given_back(void **state)
{
    struct buffers *buffers = buffers_new();
    struct packet *packet = buffers_take_packet(buffers);
    struct receive_buffer *receive = buffers_take_receive(buffers);

    (void)state;
    buffers_give_packet(buffers, packet);
    buffers_give_receive(buffers, receive);
    assert_ptr_equal(buffers_take_packet(buffers), packet);
    assert_ptr_equal(buffers_take_receive(buffers), receive);
    buffers_give_packet(buffers, packet);
    buffers_give_receive(buffers, receive);
    buffers_free(buffers);
    buffers_free(NULL);
}

/* A burst over many tunnels, and then quiet. */
static void keeps_a_few_only(void **state)
{
    struct buffers *buffers = buffers_new();
    static struct packet *packets[MANY];
    static struct receive_buffer *receives[MANY];
    size_t before = support_memory_in_use();

    (void)state;
    for (int i = 0; i < MANY; i++) {
        packets[i] = buffers_take_packet(buffers);
        receives[i] = buffers_take_receive(buffers);
        assert_non_null(packets[i]);
        assert_non_null(receives[i]);
        for (int k = 0; k < i; k++) {
            assert_ptr_not_equal(packets[i], packets[k]);
            assert_ptr_not_equal(receives[i], receives[k]);
        }
    }
    assert_true(support_memory_in_use() >= before + MANY * RECEIVE_BUFFER_SIZE);
    for (int i = 0; i < MANY; i++) {
        buffers_give_packet(buffers, packets[i]);
        buffers_give_receive(buffers, receives[i]);
    }
    assert_true(support_memory_in_use() < before + ((size_t)2 << 20));
    buffers_free(buffers);
    assert_true(support_memory_in_use() < before + 65536);
}

int main(void)
{
    const struct CMUnitTest buffers[] = {
        cmocka_unit_test(hands_out_empty_ones),
        cmocka_unit_test(uses_again_what_was_given_back),
        cmocka_unit_test(keeps_a_few_only),
    };

    return cmocka_run_group_tests(buffers, NULL, NULL);
}
