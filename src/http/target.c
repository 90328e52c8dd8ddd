#include "target.h"

#include <stdbool.h>
#include <string.h>

#include "appnet/base/memory.h"

static bool is_path(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return length > 0 && text[0] == '/';
}

char *target_parse(const char *text, size_t length, char **query)
{
    char *path;

    if (!is_path(text, length)) {
        return NULL;
    }
    path = memory_zalloc(length + 1);
    memcpy(path, text, length);
    *query = strchr(path, '?');
    if (*query) {
        *(*query)++ = '\0';
    } else {
        *query = path + length;
    }
    return path;
}
