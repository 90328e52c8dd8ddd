#include "appnet/registry/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "appnet/base/memory.h"
#include "appnet/base/text.h"

#define SENTENCE_SIZE 512

static char *make_sentence(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

static char *make_sentence(const char *format, va_list arguments)
{
    char text[SENTENCE_SIZE];

    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    text_repair(text);
    return memory_strdup(text);
}

static void tell_how_many_more(struct problems *problems)
{
    char **last = &problems->sentences[PROBLEMS_MAX - 1];

    free(*last);
    *last = memory_printf("and %u more", problems->found - (PROBLEMS_MAX - 1));
}

void problems_add(struct problems *problems, const char *format, ...)
{
    va_list arguments;

    problems->found++;
    if (problems->count == PROBLEMS_MAX) {
        tell_how_many_more(problems);
        return;
    }
    problems->sentences =
        memory_grow(problems->sentences, problems->count + 1, sizeof *problems->sentences);
    va_start(arguments, format);
    problems->sentences[problems->count++] = make_sentence(format, arguments);
    va_end(arguments);
}

void problems_clear(struct problems *problems)
{
    for (unsigned i = 0; i < problems->count; i++) {
        free(problems->sentences[i]);
    }
    free(problems->sentences);
    *problems = (struct problems)PROBLEMS_INIT;
}
