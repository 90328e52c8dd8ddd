/* mbedTLS's source of random numbers, everywhere in appnet: the kernel. */
#ifndef APPNET_IDENTITY_RANDOM_H
#define APPNET_IDENTITY_RANDOM_H

#include <stddef.h>

/* An f_rng of mbedTLS; `ignored` may be NULL. From any thread. Always returns 0. */
int identity_random(void *ignored, unsigned char *out, size_t size);

#endif
