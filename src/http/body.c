#include "body.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/http/exchange.h"

#define SMALLEST 1024

enum body_result body_add(struct body *body, size_t *allowance, const void *data, size_t size)
{
    size_t room = body->room > 0 ? body->room : SMALLEST;

    if (size > HTTP_BODY_MAX || body->size + size > HTTP_BODY_MAX) {
        return BODY_TOO_LARGE;
    }
    while (room < body->size + size + 1) {
        room *= 2;
    }
    if (room > body->room) {
        char *bytes =
            *allowance + (room - body->room) > HTTP_BODIES_MAX ? NULL : realloc(body->bytes, room);
        if (!bytes) {
            return BODY_NO_ROOM;
        }
        *allowance += room - body->room;
        body->bytes = bytes;
        body->room = room;
    }
    if (size > 0) {
        memcpy(body->bytes + body->size, data, size);
    }
    body->size += size;
    body->bytes[body->size] = '\0';
    return BODY_ADDED;
}

char *body_release(struct body *body, size_t *allowance)
{
    char *bytes = body->bytes;

    *allowance -= body->room;
    *body = (struct body){0};
    return bytes;
}

void body_clear(struct body *body, size_t *allowance)
{
    free(body_release(body, allowance));
}
