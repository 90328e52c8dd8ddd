/* Lengths of time as people write them: 90s, 15m, 24h, 7d. */
#ifndef APPNET_BASE_DURATION_H
#define APPNET_BASE_DURATION_H

#include <stdint.h>

#include "appnet/base/error.h"

#define DURATION_EXPECTED "a number and s, m, h or d, for example 24h"

/* Reads a whole number and its unit into seconds: at least 1 s, at most 100 years. Fails with what
 * was expected. */
int duration_parse(const char *text, int64_t *seconds, struct error *err);

#endif
