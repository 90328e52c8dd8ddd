/* Log lines on standard error: `TIME LEVEL message key=value key="value with spaces"`.
 * Whole lines are written, by one write(2), so lines of several threads never mix. Nothing that a peer sends can
 * forge a line: control characters, quotes and backslashes in values are escaped. */
#ifndef APPNET_BASE_LOG_H
#define APPNET_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* One `key=value` of a line. Built by the LOG_* macros below, good until the end of the call. */
struct log_field {
    enum { LOG_FIELD_STRING, LOG_FIELD_INTEGER, LOG_FIELD_SECONDS } type;
    const char *key;
    const char *string; /* NULL: the field is left out */
    int64_t integer;    /* the number, or microseconds for LOG_FIELD_SECONDS */
};

#define LOG_S(k, v) ((struct log_field){.type = LOG_FIELD_STRING, .key = (k), .string = (v)})
#define LOG_I(k, v) \
    ((struct log_field){.type = LOG_FIELD_INTEGER, .key = (k), .integer = (int64_t)(v)})
/* microseconds, printed as seconds with three decimals */
#define LOG_SECONDS(k, usec) \
    ((struct log_field){.type = LOG_FIELD_SECONDS, .key = (k), .integer = (int64_t)(usec)})

/* Lines less urgent than `level` are left out. Starts at LOG_LEVEL_INFO; to be set before threads
 * start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Writes one line. `message` is a constant of the program, never something received. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned count);

/* From log_hold on, this thread's lines are kept until log_flush, which a loop calls at the end of
 * each turn: a busy turn's lines cost one write(2). An error, or a full buffer, flushes at once. */
void log_hold(void);
void log_flush(void);
/* Flushes, and writes each line as it comes again. */
void log_release(void);

#define log_fields_(level, message, ...)                             \
    log_write(                                                       \
        (level), (message), (const struct log_field[]){__VA_ARGS__}, \
        (unsigned)(sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)))

/* log_info("tunnel up", LOG_S("peer", name), LOG_I("id", id)); at least one field. */
#define log_error(message, ...) log_fields_(LOG_LEVEL_ERROR, message, __VA_ARGS__)
#define log_warn(message, ...) log_fields_(LOG_LEVEL_WARN, message, __VA_ARGS__)
#define log_info(message, ...) log_fields_(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define log_debug(message, ...) log_fields_(LOG_LEVEL_DEBUG, message, __VA_ARGS__)

#endif
