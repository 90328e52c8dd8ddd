/* A connection as the registry's API has it, and as people name it: SOURCE OUTBOUND TARGET INBOUND.
 */
#ifndef APPNET_CLI_CONNECTION_H
#define APPNET_CLI_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>

#include "api_client.h"

/* What commands call the four. */
#define CONNECTION_OPERANDS                                                                  \
    {                                                                                        \
        {"SOURCE", "the instance that dials"}, {"OUTBOUND", "its outbound, the plug"},       \
            {"TARGET", "the instance that is dialled"}, {"INBOUND", "its inbound, the hub"}, \
    }

#define CONNECTION_WAIT_OPTION                                                                  \
    {                                                                                           \
        .name = "wait", .value = "SECONDS",                                                     \
        .text = "until it is so, for 60 seconds if not given otherwise", .value_optional = true \
    }

struct connection_names {
    const char *source, *outbound, *target, *inbound;
};

/* The four words; -1 with a sentence if one of them is no name at all. */
int connection_names_from(const struct command_arguments *arguments, struct connection_names *out,
                          struct error *err);

/* Looks in the registry for the connection of these four. Returns COMMAND_DONE with *answer, whose
 * JSON is the connection itself, and `id` in it. */
int connection_find(struct api *api, const struct connection_names *names, json_t **connection,
                    struct error *err);

/* /v1/connections/ID; the caller frees it. NULL if the connection has no ID that can be asked for.
 */
char *connection_path(const json_t *connection, struct error *err);

/* How long --wait waits, in seconds. */
int connection_wait_seconds(const char *value, int64_t *seconds, struct error *err);

/* Asks for the connection again and again, and shows it on a terminal, until it is ESTABLISHED, or,
 * with `gone`, until it is not there any more. *connection is replaced by what was seen last. */
int connection_await(struct api *api, json_t **connection, bool gone, int64_t seconds,
                     struct error *err);

/* "db of shop to sql of mysql" */
void connection_describe(const json_t *connection, char *out, size_t size);

#endif
