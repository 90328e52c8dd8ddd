/* A whole sidecar: the control thread, which runs here, the workers and the handshake threads.
 *
 *   start -> running -- SIGTERM --> draining -- quiet, the deadline or SIGTERM --> stopped
 *
 * SIGHUP while running: the file is read anew; what is wrong with it leaves everything as it was.
 */
#ifndef APPNET_SIDECAR_SIDECAR_H
#define APPNET_SIDECAR_SIDECAR_H

#include "appnet/base/error.h"
#include "appnet/config/config.h"
#include "appnet/tls/record.h"

struct sidecar;

/* Takes `config` over, also when it fails (NULL). `engine` NULL: the best that there is. */
struct sidecar *sidecar_new(struct config *config, const struct record_engine *engine,
                            struct error *err);

/* Opens the sockets and runs until SIGTERM or SIGINT and the drain that follows. */
int sidecar_run(struct sidecar *sidecar, struct error *err);

void sidecar_free(struct sidecar *sidecar);

#endif
