#include "appnet/registry/forms.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "appnet/base/time.h"
#include "appnet/registry/descriptor.h"

/* RFC 3339 with milliseconds. */
#define MOMENT_SIZE (TIME_TEXT_SIZE + 4)

static json_t *moment(int64_t milliseconds)
{
    char seconds[TIME_TEXT_SIZE];
    char text[MOMENT_SIZE];

    time_format(milliseconds / 1000, seconds, sizeof seconds);
    seconds[strlen(seconds) - 1] = '\0'; /* the Z */
    snprintf(text, sizeof text, "%s.%03dZ", seconds, (int)(milliseconds % 1000));
    return json_string(text);
}

static json_t *text_or_null(const char *text)
{
    return text && *text != '\0' ? json_string(text) : json_null();
}

static json_t *replicas_of(const struct forms *forms, const char *instance)
{
    const struct replica *at = NULL;
    json_t *list = json_array();

    while ((at = presence_next(forms->presence, instance, at))) {
        json_array_append_new(
            list, json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "id", at->id, "live", at->live,
                            "address", text_or_null(at->address), "version",
                            text_or_null(at->version), "last_seen", moment(at->last_seen),
                            "certificate_not_after", text_or_null(at->certificate_not_after)));
    }
    return list;
}

static json_t *inbound_of(const struct forms *forms, const struct model_instance *instance,
                          const struct model_interface *inbound)
{
    const struct model_connection *at = NULL;
    int count = 0;

    while ((at = mesh_next_to(forms->mesh, instance->name, inbound->name, at))) {
        count++;
    }
    return json_pack("{s:s, s:i, s:i}", "name", inbound->name, "port", inbound->port, "connections",
                     count);
}

/* The port that a connected outbound opens is that of its target, unless its own sidecar says
 * otherwise. */
static int port_of_outbound(const struct forms *forms, const struct model_instance *instance,
                            const struct model_interface *outbound)
{
    const struct model_connection *connection =
        mesh_connection_of(forms->mesh, instance->name, outbound->name);
    const struct replica *at = NULL;
    const struct model_instance *target;
    const struct model_interface *inbound;

    while ((at = presence_next(forms->presence, instance->name, at))) {
        const struct model_interface *own =
            at->declared ? model_interface_find(at->declared, outbound->name) : NULL;
        if (own && own->port != 0) {
            return own->port;
        }
    }
    target = connection ? mesh_instance(forms->mesh, connection->target) : NULL;
    inbound = target ? model_interface_find(target, connection->inbound) : NULL;
    return inbound ? inbound->port : 0;
}

static json_t *port_or_null(int port)
{
    return port != 0 ? json_integer(port) : json_null();
}

static json_t *outbound_of(const struct forms *forms, const struct model_instance *instance,
                           const struct model_interface *outbound)
{
    const struct model_connection *connection =
        mesh_connection_of(forms->mesh, instance->name, outbound->name);

    return json_pack("{s:s, s:b, s:o, s:o}", "name", outbound->name, "required", outbound->required,
                     "port", port_or_null(port_of_outbound(forms, instance, outbound)),
                     "connection", text_or_null(connection ? connection->id : NULL));
}

json_t *forms_instance(const struct forms *forms, const struct model_instance *instance)
{
    json_t *form = descriptor_write(instance);
    json_t *inbounds = json_array();
    json_t *outbounds = json_array();

    for (unsigned i = 0; i < instance->interface_count; i++) {
        const struct model_interface *at = &instance->interfaces[i];
        if (at->direction == MODEL_INBOUND) {
            json_array_append_new(inbounds, inbound_of(forms, instance, at));
        } else {
            json_array_append_new(outbounds, outbound_of(forms, instance, at));
        }
    }
    json_object_set_new(form, "name", json_string(instance->name));
    json_object_set_new(form, "applied", json_boolean(instance->applied));
    json_object_set_new(form, "removing", json_boolean(instance->removing));
    json_object_set_new(form, "created_at", moment(instance->created_at * 1000));
    json_object_set_new(form, "revision", json_integer(instance->revision));
    json_object_set_new(form, "replicas", replicas_of(forms, instance->name));
    json_object_set_new(form, "inbounds", inbounds);
    json_object_set_new(form, "outbounds", outbounds);
    return form;
}

/* What a live replica of the source says of it; NULL: nothing, or it is not live. */
static const struct replica_report *report_of(const struct replica *replica,
                                              const struct model_connection *connection)
{
    return replica->live ? replica_report_of(replica, connection->id) : NULL;
}

/* The sums of what the source's replicas count. */
static void add_traffic(const struct forms *forms, const struct model_connection *connection,
                        json_t *form)
{
    const struct replica *at = NULL;
    int64_t streams = 0;
    int64_t sent = 0;
    int64_t received = 0;

    while ((at = presence_next(forms->presence, connection->source, at))) {
        const struct replica_report *report = report_of(at, connection);
        if (report) {
            streams += report->streams;
            sent += report->sent;
            received += report->received;
        }
    }
    json_object_set_new(form, "streams", json_integer(streams));
    json_object_set_new(form, "sent", json_integer(sent));
    json_object_set_new(form, "received", json_integer(received));
}

static void add_reports(const struct forms *forms, const struct model_connection *connection,
                        json_t *form)
{
    const struct replica *at = NULL;
    json_t *replicas = json_array();

    while ((at = presence_next(forms->presence, connection->source, at))) {
        const struct replica_report *report = report_of(at, connection);
        if (report) {
            json_array_append_new(replicas, json_pack("{s:s, s:s, s:o, s:o}", "replica", at->id,
                                                      "status", state_status_text(report->status),
                                                      "reason", text_or_null(report->reason),
                                                      "detail", text_or_null(report->detail)));
        }
    }
    json_object_set_new(form, "replicas", replicas);
}

json_t *forms_traffic(const struct forms *forms, const struct model_connection *connection)
{
    json_t *form = json_pack("{s:s}", "id", connection->id);

    add_traffic(forms, connection, form);
    return form;
}

json_t *forms_connection(const struct forms *forms, const struct model_connection *connection)
{
    const struct state *standing = standings_of(forms->standings, connection->id);
    const struct model_instance *source = mesh_instance(forms->mesh, connection->source);
    const struct model_instance *target = mesh_instance(forms->mesh, connection->target);
    const struct model_interface *outbound =
        source ? model_interface_find(source, connection->outbound) : NULL;
    const struct model_interface *inbound =
        target ? model_interface_find(target, connection->inbound) : NULL;
    json_t *form = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:s, s:o, s:s, s:o, s:o, s:o}", "id", connection->id,
        "source_instance", connection->source, "outbound", connection->outbound,
        "outbound_required", outbound && outbound->required, "target_instance", connection->target,
        "inbound", connection->inbound, "port", port_or_null(inbound ? inbound->port : 0), "status",
        state_status_text(standing->status), "reason", text_or_null(standing->reason), "detail",
        text_or_null(standing->detail.text), "created_at", moment(connection->created_at));

    add_traffic(forms, connection, form);
    add_reports(forms, connection, form);
    return form;
}

json_t *forms_token(const struct model_token *token)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "id", token->id, "instance", token->instance,
                     "uses", (json_int_t)token->uses, "uses_left", (json_int_t)token->uses_left,
                     "created_at", moment(token->created_at * 1000), "expires_at",
                     moment(token->expires_at * 1000));
}

static json_t *list_form(const char *name, json_t *list, int64_t revision)
{
    return json_pack("{s:o, s:I}", name, list, "revision", (json_int_t)revision);
}

json_t *forms_instances(const struct forms *forms, int64_t revision)
{
    const struct model_instance *at = mesh_next_instance(forms->mesh, NULL);
    json_t *list = json_array();

    for (; at; at = mesh_next_instance(forms->mesh, at->name)) {
        json_array_append_new(list, forms_instance(forms, at));
    }
    return list_form("instances", list, revision);
}

json_t *forms_connections(const struct forms *forms, int64_t revision)
{
    const struct model_connection *at = NULL;
    json_t *list = json_array();

    while ((at = mesh_next_connection(forms->mesh, at))) {
        json_array_append_new(list, forms_connection(forms, at));
    }
    return list_form("connections", list, revision);
}

json_t *forms_tokens(const struct forms *forms, int64_t revision)
{
    const struct model_token *at = mesh_next_token(forms->mesh, NULL);
    json_t *list = json_array();

    for (; at; at = mesh_next_token(forms->mesh, at->id)) {
        json_array_append_new(list, forms_token(at));
    }
    return list_form("tokens", list, revision);
}

static json_t *available_form(const struct forms *forms, const struct model_instance *instance,
                              const struct model_interface *interface)
{
    json_t *form;

    if (interface->direction == MODEL_INBOUND) {
        return json_pack("{s:s, s:s, s:i}", "instance", instance->name, "name", interface->name,
                         "port", interface->port);
    }
    form = json_pack("{s:s, s:s, s:b}", "instance", instance->name, "name", interface->name,
                     "required", interface->required);
    json_object_set_new(form, "port", port_or_null(port_of_outbound(forms, instance, interface)));
    return form;
}

json_t *forms_available(const struct forms *forms, enum model_direction direction, int64_t revision)
{
    const struct model_instance *at = mesh_next_instance(forms->mesh, NULL);
    json_t *list = json_array();

    for (; at; at = mesh_next_instance(forms->mesh, at->name)) {
        for (unsigned i = 0; i < at->interface_count && !at->removing; i++) {
            const struct model_interface *interface = &at->interfaces[i];
            if (interface->direction == direction &&
                (direction == MODEL_INBOUND ||
                 !mesh_connection_of(forms->mesh, at->name, interface->name))) {
                json_array_append_new(list, available_form(forms, at, interface));
            }
        }
    }
    return list_form(direction == MODEL_INBOUND ? "inbounds" : "outbounds", list, revision);
}
