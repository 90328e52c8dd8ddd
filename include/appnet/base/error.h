/* An error is a sentence for the person who must act on it. Libraries fill one in; programs print
 * it. */
#ifndef APPNET_BASE_ERROR_H
#define APPNET_BASE_ERROR_H

#include <stdarg.h>

/* Room for the longest sentence; longer ones are cut, never overrun. */
#define ERROR_TEXT_SIZE 512

struct error {
    char text[ERROR_TEXT_SIZE]; /* empty: no error */
};

/* clang-format off */
#define ERROR_INIT {{0}}
/* clang-format on */

/* Writes the sentence and returns -1, so that a function can end in `return error_set(...)`.
 * `err` may be NULL when the caller does not care. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As error_set, with ": " and the text of the C library's error number behind it. */
int error_set_errno(struct error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the formatted text and ": " in front of what `err` already says. Returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
