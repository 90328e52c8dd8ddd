/* Allocation for small things whose failure nobody can act on: the program says so and ends.
 * The data path does not use these: there an allocation that fails costs one stream, not the
 * process. */
#ifndef APPNET_BASE_MEMORY_H
#define APPNET_BASE_MEMORY_H

#include <stddef.h>

void *memory_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_grow(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *memory_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *memory_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
