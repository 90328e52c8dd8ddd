#include "appnet/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/log.h"

static void *check(void *memory)
{
    if (!memory) {
        log_write(LOG_LEVEL_ERROR, "out of memory", NULL, 0);
        abort();
    }
    return memory;
}

void *memory_zalloc(size_t size)
{
    return check(calloc(1, size ? size : 1));
}

void *memory_grow(void *old, size_t count, size_t size)
{
    return check(reallocarray(old, count ? count : 1, size));
}

char *memory_strdup(const char *text)
{
    return check(strdup(text));
}

char *memory_printf(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return check(text);
}
