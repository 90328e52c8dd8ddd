#include "appnet/sidecar/connection_state.h"

#include <string.h>

const char *connection_status_text(enum connection_status status)
{
    switch (status) {
    case CONNECTION_WAITING:
        return "WAITING";
    case CONNECTION_ESTABLISHED:
        return "ESTABLISHED";
    case CONNECTION_FAILED:
        return "FAILED";
    }
    return "UNKNOWN";
}

bool connection_state_equal(const struct connection_state *a, const struct connection_state *b)
{
    const char *x = a->reason ? a->reason : "";
    const char *y = b->reason ? b->reason : "";

    return a->status == b->status && strcmp(x, y) == 0 &&
           strcmp(a->detail.text, b->detail.text) == 0;
}
