#include "appnet/base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "appnet/base/text.h"

/* Formats beside `err` first: an argument may well be err->text itself. */
__attribute__((format(printf, 2, 0))) static void put(struct error *err, const char *format,
                                                      va_list arguments)
{
    char text[ERROR_TEXT_SIZE];

    if (!err)
        return;
    if (vsnprintf(text, sizeof(text), format, arguments) >= (int)sizeof(text))
        text_repair(text);
    memcpy(err->text, text, strlen(text) + 1);
}

static void append(struct error *err, const char *text)
{
    size_t used = strlen(err->text);
    size_t size = strlen(text);
    bool is_cut = size > ERROR_TEXT_SIZE - 1 - used;

    if (is_cut)
        size = ERROR_TEXT_SIZE - 1 - used;
    memcpy(err->text + used, text, size);
    err->text[used + size] = '\0';
    if (is_cut)
        text_repair(err->text);
}

int error_set(struct error *err, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put(err, format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_errno(struct error *err, int errnum, const char *format, ...)
{
    va_list arguments;
    char reason[128];

    va_start(arguments, format);
    put(err, format, arguments);
    va_end(arguments);
    if (!err)
        return -1;
    append(err, ": ");
    append(err, strerror_r(errnum, reason, sizeof(reason)));
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    va_list arguments;
    struct error old;

    if (!err)
        return -1;
    old = *err;
    va_start(arguments, format);
    put(err, format, arguments);
    va_end(arguments);
    append(err, ": ");
    append(err, old.text);
    return -1;
}
