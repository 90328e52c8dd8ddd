/* The registry's HTTP API, behind both doors: finds what a request is for, sees that who asks may,
 * reads what it says, and has it done. */
#ifndef APPNET_REGISTRY_API_H
#define APPNET_REGISTRY_API_H

#include "appnet/http/exchange.h"
#include "appnet/registry/auth.h"
#include "appnet/registry/enrolment.h"
#include "appnet/registry/sessions.h"
#include "appnet/registry/settings.h"

struct core;
struct api;

/* All outlive it. */
struct api *api_new(struct core *core, const struct settings *settings, const struct auth *auth,
                    struct sessions *sessions, struct enrolment *enrolment);
void api_free(struct api *api);

struct http_handler api_handler(struct api *api);

#endif
