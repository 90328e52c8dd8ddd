/* What an application says of its interfaces, in JSON: a descriptor, given by a person before the
 * application starts, or a declaration, made by a replica when it joins. Read into a model
 * instance, with every inconsistency named at once, and written back. */
#ifndef APPNET_REGISTRY_DESCRIPTOR_H
#define APPNET_REGISTRY_DESCRIPTOR_H

#include <jansson.h>

#include "appnet/registry/model.h"
#include "appnet/registry/problems.h"

#define DESCRIPTOR_ACCESS "INBOUND_APPNET" /* by appnet connections; the only access there is */

/* Reads a descriptor of instance `name`, which is valid:
 *
 *   {"name": "mysql-1",                                          may be left out
 *    "inbound_net_interfaces": [{"name": "sql"}],                lists may be left out
 *    "outbound_net_interfaces": [{"name": "log", "required": true}],       required: or false
 *    "rules": [{"name": "r", "target_port": 3306, "access": "INBOUND_APPNET",
 *               "inbound_net_interface": "sql"}]}                each inbound has exactly one rule
 *
 * Returns an instance with `applied` set and neither times nor revision, or NULL and adds to
 * `problems`. */
struct model_instance *descriptor_read(const char *name, const json_t *descriptor,
                                       struct problems *problems);

/* The same from text that need not end in a zero. A field given twice is refused. */
struct model_instance *descriptor_parse(const char *name, const char *text, size_t size,
                                        struct problems *problems);

/* Reads what a replica of instance `name` declares: [{"name","port"}], and [{"name","required",
 * "port"}] with a port only if it listens there in any case, each of them NULL for none. Fields
 * that are not known here are left alone: the replica may be newer than we are. Returns an instance
 * with `applied` not set, or NULL and adds to `problems`. */
struct model_instance *descriptor_read_declaration(const char *name, const json_t *inbounds,
                                                   const json_t *outbounds,
                                                   struct problems *problems);

/* The three lists of a descriptor, as an object that the caller then owns. Reading it again gives
 * the same interfaces. A declared inbound has a rule of its own name. */
json_t *descriptor_write(const struct model_instance *instance);

#endif
