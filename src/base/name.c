#include "appnet/base/name.h"

#include <string.h>

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_valid(const char *text, size_t length)
{
    if (length == 0 || length >= NAME_SIZE)
        return false;
    if (!is_alphanumeric(text[0]) || !is_alphanumeric(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(text[i]) && text[i] != '-')
            return false;
    }
    return true;
}

bool trust_domain_valid(const char *text, size_t length)
{
    const char *end = text + length;

    if (length >= TRUST_DOMAIN_SIZE)
        return false;
    for (;;) {
        const char *dot = memchr(text, '.', (size_t)(end - text));

        if (!name_valid(text, (size_t)((dot ? dot : end) - text)))
            return false;
        if (!dot)
            return true;
        text = dot + 1;
    }
}
