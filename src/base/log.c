#include "appnet/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The longest line; what does not fit is left out and the line ends with "...". */
#define LINE_SIZE 4096

/* Lines of one turn of a loop. */
#define HELD_SIZE 16384

/* Set before threads start, only read afterwards. */
static enum log_level threshold = LOG_LEVEL_INFO;

struct line {
    size_t used;
    char text[LINE_SIZE];
};

static _Thread_local struct {
    bool on;
    size_t used;
    char text[HELD_SIZE];
} held;

static void write_out(const char *text, size_t size)
{
    ssize_t written = write(STDERR_FILENO, text, size);

    (void)written; /* nothing can be done about a log that cannot be written */
}

void log_hold(void)
{
    held.on = true;
}

void log_flush(void)
{
    if (held.used > 0) {
        write_out(held.text, held.used);
        held.used = 0;
    }
}

void log_release(void)
{
    log_flush();
    held.on = false;
}

static void emit(enum log_level level, const char *text, size_t size)
{
    if (!held.on) {
        write_out(text, size);
        return;
    }
    if (size > HELD_SIZE - held.used)
        log_flush();
    memcpy(held.text + held.used, text, size);
    held.used += size;
    if (level == LOG_LEVEL_ERROR)
        log_flush();
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

bool log_enabled(enum log_level level)
{
    return level <= threshold;
}

/* Room for "...\n" is always kept. */
static void put(struct line *line, const char *text, size_t size)
{
    size_t room = LINE_SIZE - 4 - line->used;

    if (size > room)
        size = room;
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_time(struct line *line)
{
    static _Thread_local time_t cached_second = -1;
    static _Thread_local char cached_text[40];
    struct timespec now;
    char milliseconds[8];

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != cached_second) {
        struct tm parts;

        gmtime_r(&now.tv_sec, &parts);
        strftime(cached_text, sizeof(cached_text), "%Y-%m-%dT%H:%M:%S", &parts);
        cached_second = now.tv_sec;
    }
    put_text(line, cached_text);
    snprintf(milliseconds, sizeof(milliseconds), ".%03uZ ",
             (unsigned)(now.tv_nsec / 1000000) % 1000);
    put_text(line, milliseconds);
}

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static void put_escaped(struct line *line, char c)
{
    char text[8];

    if (c == '"' || c == '\\')
        snprintf(text, sizeof(text), "\\%c", c);
    else if (c == '\n')
        snprintf(text, sizeof(text), "\\n");
    else if (c < ' ' || c == 0x7f)
        snprintf(text, sizeof(text), "\\x%02x", (unsigned char)c);
    else
        snprintf(text, sizeof(text), "%c", c);
    put_text(line, text);
}

static void put_string(struct line *line, const char *value)
{
    const char *end = value;

    while (is_plain(*end))
        end++;
    if (!*end && end != value) {
        put(line, value, (size_t)(end - value));
        return;
    }
    put_text(line, "\"");
    for (; *value; value++)
        put_escaped(line, *value);
    put_text(line, "\"");
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[32];
    uint64_t size = field->integer < 0 ? -(uint64_t)field->integer : (uint64_t)field->integer;
    const char *sign = field->integer < 0 ? "-" : "";

    if (field->type == LOG_FIELD_STRING && !field->string)
        return;
    put_text(line, " ");
    put_text(line, field->key);
    put_text(line, "=");
    switch (field->type) {
    case LOG_FIELD_STRING:
        put_string(line, field->string);
        return;
    case LOG_FIELD_INTEGER:
        snprintf(number, sizeof(number), "%s%" PRIu64, sign, size);
        break;
    case LOG_FIELD_SECONDS:
        snprintf(number, sizeof(number), "%s%" PRIu64 ".%03u", sign, size / 1000000,
                 (unsigned)(size % 1000000 / 1000));
        break;
    }
    put_text(line, number);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned count)
{
    static const char *const names[] = {"error ", "warn ", "info ", "debug "};
    struct line line = {.used = 0};
    int saved_errno = errno;

    if (!log_enabled(level))
        return;
    put_time(&line);
    put_text(&line, names[level]);
    put_text(&line, message);
    for (unsigned i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    if (line.used == LINE_SIZE - 4) {
        memcpy(line.text + line.used, "...", 3);
        line.used += 3;
    }
    line.text[line.used++] = '\n';
    emit(level, line.text, line.used);
    errno = saved_errno;
}
