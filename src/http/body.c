#include "body.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/http/exchange.h"

#define SMALLEST 1024

enum body_result body_add(struct body *body, struct allowance *allowance, const void *data,
                          size_t size)
{
    size_t room = body->room > 0 ? body->room : SMALLEST;

    if (size > HTTP_BODY_MAX || body->size + size > HTTP_BODY_MAX) {
        return BODY_TOO_LARGE;
    }
    while (room < body->size + size + 1) {
        room *= 2;
    }
    if (room > body->room) {
        size_t more = room - body->room;
        char *bytes = more > allowance->most - allowance->used ? NULL : realloc(body->bytes, room);
        if (!bytes) {
            return BODY_NO_ROOM;
        }
        allowance->used += more;
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

void body_clear(struct body *body, struct allowance *allowance)
{
    allowance->used -= body->room;
    free(body->bytes);
    *body = (struct body){0};
}
