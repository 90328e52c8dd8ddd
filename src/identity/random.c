#include "appnet/identity/random.h"

#include "appnet/base/secret.h"

int identity_random(void *ignored, unsigned char *out, size_t size)
{
    (void)ignored;
    random_bytes(out, size);
    return 0;
}
