#include "appnet/base/time.h"

#include <stdio.h>
#include <time.h>

void time_format(int64_t seconds, char *out, size_t size)
{
    time_t moment = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&moment, &parts) || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out, size, "-");
}

int64_t time_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
