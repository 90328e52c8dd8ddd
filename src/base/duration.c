#include "appnet/base/duration.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST (100LL * 365 * 24 * 3600)

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 24 * 3600;
    default:
        return 0;
    }
}

int duration_parse(const char *text, int64_t *seconds, struct error *err)
{
    size_t digits = strspn(text, "0123456789");
    int64_t unit = unit_seconds(text[digits]);
    int64_t number;

    if (digits == 0 || unit == 0 || text[digits + 1] != '\0')
        return error_set(err, "expected " DURATION_EXPECTED);
    number = digits > 10 ? INT64_MAX : strtoll(text, NULL, 10);
    if (number < 1 || number > LONGEST / unit)
        return error_set(err, "expected from 1 second to 100 years");
    *seconds = number * unit;
    return 0;
}
