/* A whole registry: the model and its store, those who watch, and two doors.
 *
 *   start -> load the store -> open the doors -> SIGTERM -> finish what was committed -> stopped
 *
 * SIGHUP: the CA's folder is read anew. */
#ifndef APPNET_REGISTRY_REGISTRY_H
#define APPNET_REGISTRY_REGISTRY_H

#include "appnet/base/error.h"
#include "appnet/registry/settings.h"

struct registry;

/* Takes `settings` over, also when it fails (NULL). What is missing in data_dir is made: a CA, the
 * tokens, the database. */
struct registry *registry_new(struct settings *settings, struct error *err);

/* `page` is the address of the web page, with a code to sign in with. */
typedef void registry_ready(const struct settings *settings, const char *page);

/* Runs until SIGTERM or SIGINT. `ready` (may be NULL) is called once everything is open. */
int registry_run(struct registry *registry, registry_ready *ready, struct error *err);

void registry_free(struct registry *registry);

#endif
