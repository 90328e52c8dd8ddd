/* A request's body as it comes in. It grows with what has come, not with what was announced, and
 * all bodies of a door share one allowance. Private to src/http. */
#ifndef APPNET_HTTP_BODY_H
#define APPNET_HTTP_BODY_H

#include <stddef.h>

enum body_result {
    BODY_ADDED,
    BODY_TOO_LARGE, /* more than HTTP_BODY_MAX */
    BODY_NO_ROOM,   /* the door has HTTP_BODIES_MAX of them */
};

/* All zero: empty. */
struct body {
    char *bytes; /* with a zero byte behind them; NULL: none has come */
    size_t size, room;
};

/* `allowance` counts the memory of all bodies of a door. */
enum body_result body_add(struct body *body, size_t *allowance, const void *data, size_t size);

/* Hands out the bytes, from malloc, which no longer count; NULL if none have come. */
char *body_release(struct body *body, size_t *allowance);

void body_clear(struct body *body, size_t *allowance);

#endif
