#include "appnet/base/rate_limit.h"

#include <stddef.h>

#define TOKEN 1000000

bool rate_limit_take(struct rate_limit *limit, int64_t now, uint64_t *refused)
{
    int64_t full = (int64_t)limit->burst * TOKEN;

    if (limit->last == 0) {
        limit->credit = full;
    } else if (now > limit->last) {
        int64_t gone = now - limit->last;
        /* After a rest that fills the bucket anyway there is nothing to count, and nothing to
         * overflow. */
        if (gone >= full / (limit->per_second > 0 ? limit->per_second : 1) + TOKEN) {
            limit->credit = limit->per_second > 0 ? full : limit->credit;
        } else {
            limit->credit += gone * limit->per_second;
        }
        if (limit->credit > full) {
            limit->credit = full;
        }
    }
    limit->last = now;
    if (limit->credit < TOKEN) {
        limit->refused++;
        return false;
    }
    limit->credit -= TOKEN;
    if (refused) {
        *refused = limit->refused;
    }
    limit->refused = 0;
    return true;
}
