/* Whether the application beside a sidecar can start: every required outbound works. */
#ifndef APPNET_CLI_READINESS_H
#define APPNET_CLI_READINESS_H

#include <jansson.h>
#include <stddef.h>

#include "appnet/base/error.h"

enum readiness {
    READINESS_READY,
    READINESS_WAITING,
    READINESS_ENDING, /* the sidecar drains: it will not get ready any more */
    READINESS_UNKNOWN /* it has not said */
};

#define READINESS_TEXT_SIZE 1024

/* What a sidecar's status says: `text` names the outbounds that are required, or, as long as it is
 * not ready, those that do not work yet and why. */
enum readiness readiness_of(const json_t *status, char text[READINESS_TEXT_SIZE]);

/* Asks the sidecar. *status is the caller's to drop; NULL with READINESS_UNKNOWN, where `text` says
 * why. */
enum readiness readiness_ask(const char *socket, long timeout, json_t **status,
                             char text[READINESS_TEXT_SIZE]);

#endif
