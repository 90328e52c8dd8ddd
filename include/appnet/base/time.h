/* Moments as programs write them to each other (RFC 3339). */
#ifndef APPNET_BASE_TIME_H
#define APPNET_BASE_TIME_H

#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_SIZE 32

/* Writes seconds since 1970 as 2026-11-23T16:05:00Z; TIME_TEXT_SIZE is enough up to the year 9999.
 */
void time_format(int64_t seconds, char *out, size_t size);

/* Milliseconds since 1970. */
int64_t time_now_ms(void);

#endif
