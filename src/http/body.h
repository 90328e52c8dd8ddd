/* A request's body as it comes in. It grows with what has come, not with what was announced, and
 * many bodies share one allowance. Private to src/http. */
#ifndef APPNET_HTTP_BODY_H
#define APPNET_HTTP_BODY_H

#include <stddef.h>

enum body_result {
    BODY_ADDED,
    BODY_TOO_LARGE, /* more than HTTP_BODY_MAX */
    BODY_NO_ROOM,   /* the allowance is used up */
};

/* Bytes of memory for bodies. */
struct allowance {
    size_t used, most;
};

/* All zero: empty. */
struct body {
    char *bytes; /* with a zero byte behind them; NULL: none has come */
    size_t size, room;
};

enum body_result body_add(struct body *body, struct allowance *allowance, const void *data,
                          size_t size);

void body_clear(struct body *body, struct allowance *allowance);

#endif
