/* The body of an HTTP answer while it comes in. */
#ifndef APPNET_CLI_ANSWER_H
#define APPNET_CLI_ANSWER_H

#include <stddef.h>

/* The longest that is taken. */
#define ANSWER_MAX ((size_t)64 << 20)

struct answer {
    char *text; /* ends with a zero byte */
    size_t size;
};

void answer_init(struct answer *answer);
void answer_clear(struct answer *answer);

/* A CURLOPT_WRITEFUNCTION with a struct answer as its data. */
size_t answer_take(char *data, size_t one, size_t size, void *argument);

#endif
