#include "appnet/registry/descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

#define INBOUNDS "inbound_net_interfaces"
#define OUTBOUNDS "outbound_net_interfaces"
#define RULES "rules"
#define PORT_EXPECTED "an integer from 1 to 65535"

/* What is being read. */
struct reading {
    bool strict; /* a field that is not known is a problem */
    const json_t *rules;
    struct model_instance *instance;
    struct problems *problems;
};

/* One object of a list. */
struct element {
    const json_t *json;
    char called[NAME_SIZE + 32]; /* "rule r", or its place, "rules[2]", while it has no good name */
};

/* ---- fields ---- */

static const char *type_text(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* Names the fields of an object that are not among `known`, which NULL ends. */
static void check_fields(const struct reading *reading, const char *called, const json_t *object,
                         const char *const *known)
{
    const char *field;
    json_t *value;

    if (!reading->strict) {
        return;
    }
    json_object_foreach((json_t *)object, field, value)
    {
        const char *const *k = known;
        while (*k && strcmp(*k, field) != 0) {
            k++;
        }
        if (!*k) {
            problems_add(reading->problems, "%s has an unknown field \"%.80s\"", called, field);
        }
    }
}

/* A string that must be there. NULL: it is not, and that was said. */
static const char *read_string(const struct reading *reading, const struct element *element,
                               const char *field, const char *expected)
{
    const json_t *value = json_object_get(element->json, field);

    if (!value) {
        problems_add(reading->problems, "%s has no %s: expected %s", element->called, field,
                     expected);
        return NULL;
    }
    if (!json_is_string(value)) {
        problems_add(reading->problems, "%s: %s is %s: expected %s", element->called, field,
                     type_text(value), expected);
        return NULL;
    }
    return json_string_value(value);
}

static bool read_boolean(const struct reading *reading, const struct element *element,
                         const char *field)
{
    const json_t *value = json_object_get(element->json, field);

    if (value && !json_is_boolean(value)) {
        problems_add(reading->problems, "%s: %s is %s: expected true or false", element->called,
                     field, type_text(value));
    }
    return json_is_true(value);
}

/* 0: there is none that is right, and that was said. */
static uint16_t read_port(const struct reading *reading, const struct element *element,
                          const char *field)
{
    const json_t *value = json_object_get(element->json, field);
    json_int_t port;

    if (!value) {
        problems_add(reading->problems, "%s has no %s: expected " PORT_EXPECTED, element->called,
                     field);
        return 0;
    }
    if (!json_is_integer(value)) {
        problems_add(reading->problems, "%s: %s is %s: expected " PORT_EXPECTED, element->called,
                     field, type_text(value));
        return 0;
    }
    port = json_integer_value(value);
    if (port < 1 || port > UINT16_MAX) {
        problems_add(reading->problems,
                     "%s: %s %" JSON_INTEGER_FORMAT " is out of range: expected " PORT_EXPECTED,
                     element->called, field, port);
        return 0;
    }
    return (uint16_t)port;
}

/* ---- lists ---- */

/* Calls `read_one` for each object of a list that may be NULL. */
static void read_list(const struct reading *reading, const char *name, const json_t *list,
                      void (*read_one)(const struct reading *reading, struct element *element))
{
    if (!list) {
        return;
    }
    if (!json_is_array(list)) {
        problems_add(reading->problems, "%s is %s: expected a list of objects", name,
                     type_text(list));
        return;
    }
    if (json_array_size(list) > MODEL_INTERFACES_MAX) {
        problems_add(reading->problems, "%s has %zu elements: an instance has at most %d", name,
                     json_array_size(list), MODEL_INTERFACES_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct element element = {.json = json_array_get(list, i)};
        snprintf(element.called, sizeof element.called, "%s[%zu]", name, i);
        if (json_is_object(element.json)) {
            read_one(reading, &element);
        } else {
            problems_add(reading->problems, "%s is %s: expected an object", element.called,
                         type_text(element.json));
        }
    }
}

/* ---- interfaces ---- */

/* Adds what an element of either list describes. NULL: it has no name that could be used, and that
 * was said. */
static struct model_interface *read_interface(const struct reading *reading,
                                              struct element *element,
                                              enum model_direction direction)
{
    const char *text = model_direction_text(direction);
    const char *name = read_string(reading, element, "name", NAME_EXPECTED);
    const struct model_interface *known;

    if (!name) {
        return NULL;
    }
    if (!name_valid(name, strlen(name))) {
        problems_add(reading->problems, "%s: name is \"%.80s\": expected %s", element->called, name,
                     NAME_EXPECTED);
        return NULL;
    }
    snprintf(element->called, sizeof element->called, "%s %s", text, name);
    known = model_interface_find(reading->instance, name);
    if (known && known->direction == direction) {
        problems_add(reading->problems, "%s is defined twice", element->called);
    } else if (known) {
        problems_add(reading->problems,
                     "%s is defined twice, as an inbound and as an outbound: they share their "
                     "names, so choose another for one of them",
                     name);
    } else if (reading->instance->interface_count == MODEL_INTERFACES_MAX) {
        problems_add(reading->problems, "%s is one too many: an instance has at most %d interfaces",
                     element->called, MODEL_INTERFACES_MAX);
    } else {
        return model_interface_add(reading->instance, name, direction);
    }
    return NULL;
}

static void read_inbound(const struct reading *reading, struct element *element)
{
    read_interface(reading, element, MODEL_INBOUND);
    check_fields(reading, element->called, element->json, (const char *const[]){"name", NULL});
}

static void read_outbound(const struct reading *reading, struct element *element)
{
    struct model_interface *added = read_interface(reading, element, MODEL_OUTBOUND);
    bool required = read_boolean(reading, element, "required");

    if (added) {
        added->required = required;
    }
    check_fields(reading, element->called, element->json,
                 (const char *const[]){"name", "required", NULL});
}

static void read_declared_outbound(const struct reading *reading, struct element *element)
{
    struct model_interface *added = read_interface(reading, element, MODEL_OUTBOUND);
    bool required = read_boolean(reading, element, "required");
    const json_t *own = json_object_get(element->json, "port");
    uint16_t port = own && !json_is_null(own) ? read_port(reading, element, "port") : 0;

    if (added) {
        added->required = required;
        added->port = port;
    }
}

static void read_declared_inbound(const struct reading *reading, struct element *element)
{
    struct model_interface *added = read_interface(reading, element, MODEL_INBOUND);
    uint16_t port = read_port(reading, element, "port");

    if (added) {
        added->port = port;
        model_name_set(added->rule, added->name);
    }
}

/* ---- rules ---- */

static bool rule_name_fits(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) {
            return false;
        }
    }
    return length >= 1 && length < NAME_SIZE;
}

/* Whether a rule before this one has its name. */
static bool is_repeated(const struct reading *reading, const struct element *element,
                        const char *name)
{
    for (size_t i = 0; json_array_get(reading->rules, i) != element->json; i++) {
        const json_t *other = json_object_get(json_array_get(reading->rules, i), "name");
        if (json_is_string(other) && strcmp(json_string_value(other), name) == 0) {
            return true;
        }
    }
    return false;
}

/* What a rule is called from here on: by its name, or else by its place. */
static void read_rule_name(const struct reading *reading, struct element *element,
                           char out[NAME_SIZE])
{
    const char *name = read_string(reading, element, "name", "1 to 63 characters");

    model_name_set(out, element->called);
    if (!name) {
        return;
    }
    if (!rule_name_fits(name)) {
        problems_add(reading->problems, "%s: name is \"%.80s\": expected 1 to 63 characters",
                     element->called, name);
        return;
    }
    snprintf(element->called, sizeof element->called, "rule %s", name);
    if (is_repeated(reading, element, name)) {
        problems_add(reading->problems, "%s is defined twice", element->called);
    }
    model_name_set(out, name);
}

/* The inbound that a rule is for. NULL: there is none that could be it, and that was said. */
static struct model_interface *read_subject(const struct reading *reading,
                                            const struct element *element, const char *rule)
{
    static const char field[] = "inbound_net_interface";
    const char *name = read_string(reading, element, field, "the name of an inbound");
    struct model_interface *subject;

    if (!name) {
        return NULL;
    }
    subject = (struct model_interface *)model_interface_find(reading->instance, name);
    if (!subject) {
        problems_add(reading->problems, "%s is for %.80s, which is not defined in " INBOUNDS,
                     element->called, name);
        return NULL;
    }
    if (subject->direction != MODEL_INBOUND) {
        problems_add(reading->problems,
                     "%s is for %s, which is an outbound: a rule is for an inbound",
                     element->called, name);
        return NULL;
    }
    if (subject->rule[0] != '\0') {
        problems_add(reading->problems,
                     "inbound %s has two rules, %s and %s: one port is all it has", name,
                     subject->rule, rule);
        return NULL;
    }
    return subject;
}

static void read_rule(const struct reading *reading, struct element *element)
{
    struct model_interface *subject;
    char name[NAME_SIZE];
    const char *access;
    uint16_t port;

    read_rule_name(reading, element, name);
    port = read_port(reading, element, "target_port");
    access = read_string(reading, element, "access", DESCRIPTOR_ACCESS);
    if (access && strcmp(access, DESCRIPTOR_ACCESS) != 0) {
        problems_add(reading->problems, "%s: access \"%.80s\" is not known: expected %s",
                     element->called, access, DESCRIPTOR_ACCESS);
    }
    subject = read_subject(reading, element, name);
    if (subject) {
        subject->port = port;
        model_name_set(subject->rule, name);
    }
    check_fields(
        reading, element->called, element->json,
        (const char *const[]){"name", "target_port", "access", "inbound_net_interface", NULL});
}

static void check_inbounds_have_rules(const struct reading *reading)
{
    for (unsigned i = 0; i < reading->instance->interface_count; i++) {
        const struct model_interface *interface = &reading->instance->interfaces[i];
        if (interface->direction == MODEL_INBOUND && interface->rule[0] == '\0') {
            problems_add(reading->problems,
                         "inbound %s has no rule: expected one in " RULES " with its target_port",
                         interface->name);
        }
    }
}

/* ---- documents ---- */

static struct model_instance *blank(const char *name, bool applied)
{
    struct model_instance *instance = memory_zalloc(sizeof *instance);

    model_name_set(instance->name, name);
    instance->applied = applied;
    return instance;
}

/* The instance, unless something was found since there were `before` problems. */
static struct model_instance *finish(const struct reading *reading, unsigned before)
{
    if (reading->problems->found == before) {
        return reading->instance;
    }
    model_instance_free(reading->instance);
    return NULL;
}

static void check_own_name(const struct reading *reading, const json_t *value)
{
    const char *name = json_string_value(value);

    if (value && (!name || strcmp(name, reading->instance->name) != 0)) {
        problems_add(reading->problems, "the descriptor's name is %s%.80s%s: expected \"%s\"",
                     name ? "\"" : "", name ? name : type_text(value), name ? "\"" : "",
                     reading->instance->name);
    }
}

struct model_instance *descriptor_read(const char *name, const json_t *descriptor,
                                       struct problems *problems)
{
    struct reading reading = {.strict = true, .problems = problems};
    unsigned before = problems->found;

    if (!json_is_object(descriptor)) {
        problems_add(problems,
                     "the descriptor is %s: expected an object with " INBOUNDS ", " OUTBOUNDS
                     " and " RULES,
                     descriptor ? type_text(descriptor) : "empty");
        return NULL;
    }
    reading.instance = blank(name, true);
    reading.rules = json_object_get(descriptor, RULES);
    check_own_name(&reading, json_object_get(descriptor, "name"));
    check_fields(&reading, "the descriptor", descriptor,
                 (const char *const[]){"name", INBOUNDS, OUTBOUNDS, RULES, NULL});
    read_list(&reading, INBOUNDS, json_object_get(descriptor, INBOUNDS), read_inbound);
    read_list(&reading, OUTBOUNDS, json_object_get(descriptor, OUTBOUNDS), read_outbound);
    read_list(&reading, RULES, reading.rules, read_rule);
    check_inbounds_have_rules(&reading);
    return finish(&reading, before);
}

struct model_instance *descriptor_parse(const char *name, const char *text, size_t size,
                                        struct problems *problems)
{
    struct model_instance *instance;
    json_error_t error;
    json_t *descriptor = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

    if (!descriptor) {
        problems_add(problems, "the descriptor is no JSON: %s (line %d, column %d)", error.text,
                     error.line, error.column);
        return NULL;
    }
    instance = descriptor_read(name, descriptor, problems);
    json_decref(descriptor);
    return instance;
}

struct model_instance *descriptor_read_declaration(const char *name, const json_t *inbounds,
                                                   const json_t *outbounds,
                                                   struct problems *problems)
{
    struct reading reading = {.instance = blank(name, false), .problems = problems};
    unsigned before = problems->found;

    read_list(&reading, "inbounds", inbounds, read_declared_inbound);
    read_list(&reading, "outbounds", outbounds, read_declared_outbound);
    return finish(&reading, before);
}

json_t *descriptor_write(const struct model_instance *instance)
{
    json_t *inbounds = json_array();
    json_t *outbounds = json_array();
    json_t *rules = json_array();

    for (unsigned i = 0; i < instance->interface_count; i++) {
        const struct model_interface *interface = &instance->interfaces[i];
        if (interface->direction == MODEL_OUTBOUND) {
            json_array_append_new(outbounds, json_pack("{s:s, s:b}", "name", interface->name,
                                                       "required", interface->required));
            continue;
        }
        json_array_append_new(inbounds, json_pack("{s:s}", "name", interface->name));
        json_array_append_new(rules, json_pack("{s:s, s:i, s:s, s:s}", "name", interface->rule,
                                               "target_port", (int)interface->port, "access",
                                               DESCRIPTOR_ACCESS, "inbound_net_interface",
                                               interface->name));
    }
    return json_pack("{s:o, s:o, s:o}", INBOUNDS, inbounds, OUTBOUNDS, outbounds, RULES, rules);
}
