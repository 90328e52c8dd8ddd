/* An instance in the registry's API. */
#ifndef APPNET_CLI_INSTANCE_H
#define APPNET_CLI_INSTANCE_H

#include <stdbool.h>

#include "appnet/base/error.h"

/* /v1/instances/NAME; the caller frees it. NULL with a sentence if it is no name at all. `what` is
 * what the sentence calls it. */
char *instance_path(const char *name, const char *what, struct error *err);

#endif
