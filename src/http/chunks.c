#include "chunks.h"

#include <stdbool.h>

/* Far above what a body may have; far below what would overflow. */
#define SIZE_DIGITS_MAX 8

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, TRAILER, TRAILER_LF, LAST_LF, END };

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_size(struct chunks *chunks, char c)
{
    int value = digit_value(c);

    if (value >= 0 && chunks->seen < SIZE_DIGITS_MAX) {
        chunks->left = chunks->left << 4 | (uint64_t)value;
        chunks->seen++;
        return true;
    }
    if (chunks->seen == 0) {
        return false;
    }
    chunks->state = c == '\r' ? SIZE_LF : EXTENSION;
    chunks->seen = 0;
    return c == '\r' || c == ';';
}

static bool is_text(char c)
{
    return (unsigned char)c >= ' ' || c == '\t';
}

static bool take_extension(struct chunks *chunks, char c)
{
    if (c == '\r') {
        chunks->state = SIZE_LF;
        chunks->seen = 0;
        return true;
    }
    return is_text(c) && ++chunks->seen <= CHUNKS_EXTENSION_MAX;
}

/* The beginning of a trailer line, or the empty one that ends it all. */
static bool take_line(struct chunks *chunks, char c)
{
    chunks->state = c == '\r' ? LAST_LF : TRAILER;
    return c == '\r' || (is_text(c) && ++chunks->seen <= CHUNKS_TRAILERS_MAX);
}

static bool take_trailer(struct chunks *chunks, char c)
{
    if (c == '\r') {
        chunks->state = TRAILER_LF;
        return true;
    }
    return is_text(c) && ++chunks->seen <= CHUNKS_TRAILERS_MAX;
}

static bool take_exactly(struct chunks *chunks, char c, char expected, int next)
{
    chunks->state = next;
    return c == expected;
}

static bool take_one(struct chunks *chunks, char c)
{
    switch (chunks->state) {
    case SIZE:
        return take_size(chunks, c);
    case EXTENSION:
        return take_extension(chunks, c);
    case SIZE_LF:
        chunks->seen = 0;
        return take_exactly(chunks, c, '\n', chunks->left > 0 ? DATA : LINE);
    case DATA_CR:
        return take_exactly(chunks, c, '\r', DATA_LF);
    case DATA_LF:
        return take_exactly(chunks, c, '\n', SIZE);
    case LINE:
        return take_line(chunks, c);
    case TRAILER:
        return take_trailer(chunks, c);
    case TRAILER_LF:
        return take_exactly(chunks, c, '\n', LINE);
    case LAST_LF:
        return take_exactly(chunks, c, '\n', END);
    default:
        return false;
    }
}

enum chunks_result chunks_take(struct chunks *chunks, const char *data, size_t size, size_t *taken,
                               const char **plain, size_t *length)
{
    *taken = 0;
    while (chunks->state != END) {
        if (*taken == size) {
            return CHUNKS_MORE;
        }
        if (chunks->state == DATA) {
            *plain = data + *taken;
            *length = size - *taken < chunks->left ? size - *taken : (size_t)chunks->left;
            *taken += *length;
            chunks->left -= *length;
            chunks->state = chunks->left > 0 ? DATA : DATA_CR;
            return CHUNKS_DATA;
        }
        if (!take_one(chunks, data[(*taken)++])) {
            return CHUNKS_MALFORMED;
        }
    }
    return CHUNKS_END;
}
