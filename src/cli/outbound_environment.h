/* Where an application finds its outbounds: APPNET_OUTBOUND_NAME=host:port, ..._HOST and ..._PORT,
 * with the name in capitals and `_` for `-`. */
#ifndef APPNET_CLI_OUTBOUND_ENVIRONMENT_H
#define APPNET_CLI_OUTBOUND_ENVIRONMENT_H

#include <jansson.h>

#include "appnet/base/error.h"

/* Sets them in this process for every outbound of a sidecar's status that listens, and unsets those
 * of any that does not. Fails, and sets none, if two outbounds would set the same variable, as `db`
 * and `db-host` would. */
int outbound_environment_set(const json_t *status, struct error *err);

#endif
