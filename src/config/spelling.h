/* Finds what somebody meant to write. */
#ifndef APPNET_CONFIG_SPELLING_H
#define APPNET_CONFIG_SPELLING_H

#include <stdbool.h>

/* Whether one becomes the other by at most two letters left out, put in or replaced, and something
 * is left of both. */
bool spelling_near(const char *written, const char *known);

#endif
