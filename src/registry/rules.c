#include "appnet/registry/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LISTED_MAX 8 /* names in a sentence */

static int refuse(struct refusal *refusal, unsigned status, const char *code, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

static int refuse(struct refusal *refusal, unsigned status, const char *code, const char *format,
                  ...)
{
    va_list arguments;

    refusal->status = status;
    refusal->code = code;
    va_start(arguments, format);
    vsnprintf(refusal->text.text, sizeof refusal->text.text, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- questions about names ---- */

static int check_name(const char *what, const char *name, struct refusal *refusal)
{
    if (name_valid(name, strlen(name))) {
        return 0;
    }
    return refuse(refusal, 422, RULE_NAME_INVALID, "\"%.80s\" is no name of an %s: expected %s",
                  name, what, NAME_EXPECTED);
}

static const struct model_instance *known_instance(const struct mesh *mesh, const char *name,
                                                   struct refusal *refusal)
{
    const struct model_instance *instance = mesh_instance(mesh, name);

    if (!instance) {
        refuse(refusal, 404, RULE_INSTANCE_UNKNOWN,
               "there is no instance %s: appnet instance list shows those there are, and appnet "
               "instance apply FILE makes one before it starts",
               name);
    }
    return instance;
}

static int check_staying(const struct model_instance *instance, struct refusal *refusal)
{
    if (!instance->removing) {
        return 0;
    }
    return refuse(refusal, 409, RULE_ALREADY_REMOVING,
                  "instance %s is being removed: wait until it is gone", instance->name);
}

/* "a, b, c" of one direction; "none" */
static void list_names(const struct model_instance *instance, enum model_direction direction,
                       char *out, size_t size)
{
    unsigned listed = 0;
    size_t length = 0;

    snprintf(out, size, "none");
    for (unsigned i = 0; i < instance->interface_count; i++) {
        const struct model_interface *interface = &instance->interfaces[i];
        int n;
        if (interface->direction != direction) {
            continue;
        }
        if (listed == LISTED_MAX) {
            snprintf(out + length, size - length, ", ...");
            return;
        }
        n = snprintf(out + length, size - length, "%s%s", listed > 0 ? ", " : "", interface->name);
        if (n < 0 || (size_t)n >= size - length) {
            return;
        }
        length += (size_t)n;
        listed++;
    }
}

/* Of the right direction or not; NULL: the instance has none of that name. */
static const struct model_interface *known_interface(const struct model_instance *instance,
                                                     const char *name,
                                                     enum model_direction direction,
                                                     struct refusal *refusal)
{
    const struct model_interface *interface = model_interface_find(instance, name);
    char names[256];

    if (!interface) {
        list_names(instance, direction, names, sizeof names);
        refuse(refusal, 404, RULE_INTERFACE_UNKNOWN, "%s has no %s %s; its %ss are: %s",
               instance->name, model_direction_text(direction), name,
               model_direction_text(direction), names);
    }
    return interface;
}

/* ---- connecting ---- */

static int check_direction(const struct model_instance *instance,
                           const struct model_interface *interface, enum model_direction wanted,
                           struct refusal *refusal)
{
    char names[256];

    if (interface->direction == wanted) {
        return 0;
    }
    list_names(instance, wanted, names, sizeof names);
    if (wanted == MODEL_OUTBOUND) {
        return refuse(refusal, 409, RULE_NOT_OUTBOUND,
                      "%s of %s is an inbound, and a connection goes from an outbound to an "
                      "inbound; the outbounds of %s are: %s",
                      interface->name, instance->name, instance->name, names);
    }
    return refuse(refusal, 409, RULE_NOT_INBOUND,
                  "%s of %s is an outbound, and a connection goes from an outbound to an inbound; "
                  "the inbounds of %s are: %s",
                  interface->name, instance->name, instance->name, names);
}

static int check_free(const struct mesh *mesh, const char *source, const char *outbound,
                      const char *target, const char *inbound, struct refusal *refusal)
{
    const struct model_connection *taken = mesh_connection_of(mesh, source, outbound);

    if (!taken) {
        return 0;
    }
    if (taken->removing) {
        return refuse(refusal, 409, RULE_OUTBOUND_TAKEN,
                      "outbound %s of %s is still being disconnected from %s of %s: try again in a "
                      "moment",
                      outbound, source, taken->inbound, taken->target);
    }
    if (strcmp(taken->target, target) == 0 && strcmp(taken->inbound, inbound) == 0) {
        return refuse(refusal, 409, RULE_OUTBOUND_TAKEN,
                      "outbound %s of %s is connected to %s of %s already", outbound, source,
                      inbound, target);
    }
    return refuse(refusal, 409, RULE_OUTBOUND_TAKEN,
                  "outbound %s of %s is connected to %s of %s already, and an outbound has one "
                  "connection; disconnect it first: appnet remove %s %s %s %s",
                  outbound, source, taken->inbound, taken->target, source, outbound, taken->target,
                  taken->inbound);
}

int rules_connect(const struct mesh *mesh, const char *source, const char *outbound,
                  const char *target, const char *inbound, struct refusal *refusal)
{
    const struct model_instance *from;
    const struct model_instance *to;
    const struct model_interface *plug;
    const struct model_interface *hub;

    if (check_name("instance", source, refusal) != 0 ||
        check_name("outbound", outbound, refusal) != 0 ||
        check_name("instance", target, refusal) != 0 ||
        check_name("inbound", inbound, refusal) != 0) {
        return -1;
    }
    from = known_instance(mesh, source, refusal);
    to = from ? known_instance(mesh, target, refusal) : NULL;
    if (!to) {
        return -1;
    }
    if (from == to) {
        return refuse(refusal, 409, RULE_SAME_INSTANCE,
                      "%s cannot be connected to itself: choose an inbound of another instance, as "
                      "appnet inbound available shows them",
                      source);
    }
    plug = known_interface(from, outbound, MODEL_OUTBOUND, refusal);
    hub = plug ? known_interface(to, inbound, MODEL_INBOUND, refusal) : NULL;
    if (!hub) {
        return -1;
    }
    if (plug->direction == MODEL_INBOUND && hub->direction == MODEL_OUTBOUND) {
        return refuse(refusal, 409, RULE_NOT_OUTBOUND,
                      "%s of %s is an inbound and %s of %s an outbound; the other way round it "
                      "would do: appnet add %s %s %s %s",
                      outbound, source, inbound, target, target, inbound, source, outbound);
    }
    if (check_direction(from, plug, MODEL_OUTBOUND, refusal) != 0 ||
        check_direction(to, hub, MODEL_INBOUND, refusal) != 0 ||
        check_staying(from, refusal) != 0 || check_staying(to, refusal) != 0) {
        return -1;
    }
    return check_free(mesh, source, outbound, target, inbound, refusal);
}

/* ---- disconnecting and removing ---- */

static bool is_required(const struct mesh *mesh, const struct model_connection *connection)
{
    const struct model_instance *source = mesh_instance(mesh, connection->source);
    const struct model_interface *plug =
        source ? model_interface_find(source, connection->outbound) : NULL;

    return plug && plug->required;
}

int rules_disconnect(const struct mesh *mesh, const char *connection_id, bool confirmed,
                     struct refusal *refusal)
{
    const struct model_connection *connection = mesh_connection(mesh, connection_id);

    if (!connection) {
        return refuse(refusal, 404, RULE_CONNECTION_UNKNOWN,
                      "there is no connection %.80s: appnet list shows those there are",
                      connection_id);
    }
    if (connection->removing) {
        return refuse(refusal, 409, RULE_ALREADY_REMOVING,
                      "the connection of %s of %s to %s of %s is being removed already: wait until "
                      "it is gone",
                      connection->outbound, connection->source, connection->inbound,
                      connection->target);
    }
    if (!confirmed && is_required(mesh, connection)) {
        return refuse(refusal, 409, RULE_CONFIRMATION_REQUIRED,
                      "outbound %s is required: %s does not work without it. To disconnect it all "
                      "the same: appnet remove %s %s %s %s --force",
                      connection->outbound, connection->source, connection->source,
                      connection->outbound, connection->target, connection->inbound);
    }
    return 0;
}

int rules_remove_instance(const struct mesh *mesh, const char *name, bool confirmed,
                          struct refusal *refusal)
{
    const struct model_connection *connection = NULL;
    const struct model_instance *instance;
    unsigned count = 0;
    unsigned required = 0;
    char needed[64] = "";

    if (check_name("instance", name, refusal) != 0 ||
        !(instance = known_instance(mesh, name, refusal)) ||
        check_staying(instance, refusal) != 0) {
        return -1;
    }
    while ((connection = mesh_next_to(mesh, name, NULL, connection))) {
        if (!connection->removing) {
            count++;
            required += is_required(mesh, connection);
        }
    }
    if (confirmed || count == 0) {
        return 0;
    }
    if (required > 0) {
        snprintf(needed, sizeof needed, ", %u of them required", required);
    }
    return refuse(refusal, 409, RULE_CONFIRMATION_REQUIRED,
                  "%u outbound%s of other instances %s connected to %s%s, and would be "
                  "disconnected. To remove it all the same: appnet instance remove %s --force",
                  count, count == 1 ? "" : "s", count == 1 ? "is" : "are", name, needed, name);
}

static const struct model_connection *use_of(const struct mesh *mesh, const char *instance,
                                             const struct model_interface *interface)
{
    return interface->direction == MODEL_OUTBOUND
               ? mesh_connection_of(mesh, instance, interface->name)
               : mesh_next_to(mesh, instance, interface->name, NULL);
}

int rules_replace_instance(const struct mesh *mesh, const struct model_instance *instance,
                           struct refusal *refusal)
{
    const struct model_instance *old;

    if (check_name("instance", instance->name, refusal) != 0) {
        return -1;
    }
    old = mesh_instance(mesh, instance->name);
    if (!old) {
        return 0;
    }
    if (check_staying(old, refusal) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < old->interface_count; i++) {
        const struct model_interface *interface = &old->interfaces[i];
        const struct model_interface *now = model_interface_find(instance, interface->name);
        const struct model_connection *use;
        if ((now && now->direction == interface->direction) ||
            !(use = use_of(mesh, old->name, interface))) {
            continue;
        }
        return refuse(refusal, 409, RULE_INTERFACE_IN_USE,
                      "%s %s of %s is connected, and the new description %s; disconnect it "
                      "first: appnet remove %s %s %s %s",
                      model_direction_text(interface->direction), interface->name, old->name,
                      now ? "turns it round" : "drops it", use->source, use->outbound, use->target,
                      use->inbound);
    }
    return 0;
}
