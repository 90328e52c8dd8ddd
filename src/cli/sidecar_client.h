/* Asking a sidecar of this machine, on its admin socket. */
#ifndef APPNET_CLI_SIDECAR_CLIENT_H
#define APPNET_CLI_SIDECAR_CLIENT_H

#include <stdbool.h>

#include "appnet/base/error.h"

#define SIDECAR_FOLDER "/run/appnet"
#define SIDECAR_TIMEOUT 10000 /* milliseconds that a sidecar may take to answer */

/* How commands ask for it. */
#define SIDECAR_OPTION                                                                           \
    {                                                                                            \
        .name = "sidecar", .value = "SOCKET",                                                    \
        .text =                                                                                  \
            "its admin socket; if not given, $APPNET_SIDECAR or the only one in " SIDECAR_FOLDER \
    }

/* The socket to ask: the one given, or $APPNET_SIDECAR, or else the only *.sock in `folder`. The
 * caller frees it. */
char *sidecar_find(const char *given, const char *folder, struct error *err);

/* Whether waiting may help: there is none yet. Several, of which none was chosen, stay several. */
bool sidecar_may_come(const char *given, const char *folder);

/* The body of the answer to GET `path`, ended by a zero byte; the caller frees it. NULL if there is
 * none within `timeout` milliseconds, or it says no. */
char *sidecar_get(const char *socket, const char *path, long timeout, struct error *err);

#endif
