/* Secrets: wiping, comparing, random numbers. */
#ifndef APPNET_BASE_SECRET_H
#define APPNET_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/base/error.h"

/* Overwrites with zeros; the compiler does not leave it out. */
void secret_wipe(void *data, size_t size);

/* Compares in time that depends on `size` only. */
bool secret_equal(const void *a, const void *b, size_t size);

/* Fills with random bytes of the kernel; ends the program if the kernel has none, since nothing
 * safe can follow. */
void random_bytes(void *out, size_t size);

/* Evenly distributed from 0 to below-1; below is at least 1. For jitter, not for keys. */
uint32_t random_below(uint32_t below);

#endif
