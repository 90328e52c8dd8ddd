#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

void answer_init(struct answer *answer)
{
    answer->text = memory_zalloc(1);
    answer->size = 0;
}

void answer_clear(struct answer *answer)
{
    free(answer->text);
    answer->text = NULL;
    answer->size = 0;
}

size_t answer_take(char *data, size_t one, size_t size, void *argument)
{
    struct answer *answer = argument;

    (void)one;
    if (size > ANSWER_MAX - answer->size) {
        return 0;
    }
    answer->text = memory_grow(answer->text, answer->size + size + 1, 1);
    memcpy(answer->text + answer->size, data, size);
    answer->size += size;
    answer->text[answer->size] = '\0';
    return size;
}
