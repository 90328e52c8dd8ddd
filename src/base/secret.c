#include "appnet/base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "appnet/base/log.h"

void secret_wipe(void *data, size_t size)
{
    if (data)
        explicit_bzero(data, size);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    const volatile unsigned char *left = a;
    const volatile unsigned char *right = b;
    unsigned char difference = 0;

    for (size_t i = 0; i < size; i++)
        difference = (unsigned char)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

void random_bytes(void *out, size_t size)
{
    unsigned char *next = out;

    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);

        if (got > 0) {
            next += got;
            size -= (size_t)got;
        } else if (errno != EINTR) {
            log_error("the kernel gives no random numbers", LOG_S("detail", strerror(errno)));
            abort();
        }
    }
}

uint32_t random_below(uint32_t below)
{
    /* Numbers under this limit would make the small remainders more likely. */
    uint32_t limit = -below % below;
    uint32_t number;

    do
        random_bytes(&number, sizeof(number));
    while (number < limit);
    return number % below;
}
