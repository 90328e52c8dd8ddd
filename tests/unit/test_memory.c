#include "appnet/base/memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void gives_zeros(void **state)
{
    char *memory = memory_zalloc(100);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
    free(memory);
    free(memory_zalloc(0));
}

static void grows(void **state)
{
    int *numbers = memory_grow(NULL, 2, sizeof(*numbers));

    (void)state;
    numbers[1] = 7;
    numbers = memory_grow(numbers, 1000, sizeof(*numbers));
    assert_int_equal(numbers[1], 7);
    free(numbers);
}

static void copies_text(void **state)
{
    char *copy = memory_strdup("text");
    char *printed = memory_printf("%s-%d", copy, 3);

    (void)state;
    assert_string_equal(copy, "text");
    assert_string_equal(printed, "text-3");
    free(copy);
    free(printed);
}

/* Sizes whose product overflows count as memory that is not there. */
static void ends_the_program_when_there_is_none(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        free(memory_grow(NULL, SIZE_MAX / 2, 16));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest memory[] = {
        cmocka_unit_test(gives_zeros),
        cmocka_unit_test(grows),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(ends_the_program_when_there_is_none),
    };

    return cmocka_run_group_tests(memory, NULL, NULL);
}
