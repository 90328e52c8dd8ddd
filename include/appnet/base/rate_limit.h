/* A token bucket. It is handed the time, so that tests need no clock. */
#ifndef APPNET_BASE_RATE_LIMIT_H
#define APPNET_BASE_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
    uint32_t burst;      /* tokens at the most, and at the beginning */
    uint32_t per_second; /* tokens that come back */
    int64_t credit;      /* millionths of a token */
    int64_t last;        /* microseconds, as loop_now tells; 0: never asked */
    uint64_t refused;    /* since the last one that was let through */
};

#define RATE_LIMIT_INIT(tokens, each_second)           \
    {                                                  \
        .burst = (tokens), .per_second = (each_second) \
    }

/* Takes a token if there is one at time `now`. When it does, *refused (may be NULL) tells how many
 * were refused before. */
bool rate_limit_take(struct rate_limit *limit, int64_t now, uint64_t *refused);

#endif
