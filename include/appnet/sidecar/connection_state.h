/* The state of a connection as a sidecar measures it. */
#ifndef APPNET_SIDECAR_CONNECTION_STATE_H
#define APPNET_SIDECAR_CONNECTION_STATE_H

#include <stdbool.h>

#include "appnet/base/error.h"

enum connection_status { CONNECTION_WAITING, CONNECTION_ESTABLISHED, CONNECTION_FAILED };

struct connection_state {
    enum connection_status status;
    const char *reason; /* a reason code of policy.h; NULL unless FAILED */
    struct error detail;
};

const char *connection_status_text(enum connection_status status);

bool connection_state_equal(const struct connection_state *a, const struct connection_state *b);

#endif
