#include "view_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

/* ---- reading ---- */

static int take_name(const json_t *json, const char *key, char out[NAME_SIZE], struct error *err)
{
    const json_t *value = json_object_get(json, key);
    size_t length = json_string_length(value);

    if (!json_is_string(value) || !name_valid(json_string_value(value), length)) {
        return error_set(err, "%s: expected " NAME_EXPECTED, key);
    }
    memcpy(out, json_string_value(value), length + 1);
    return 0;
}

static int take_role(const json_t *json, bool *is_source, struct error *err)
{
    const char *role = json_string_value(json_object_get(json, "role"));

    *is_source = role && strcmp(role, "source") == 0;
    return *is_source || (role && strcmp(role, "target") == 0)
               ? 0
               : error_set(err, "role: expected source or target");
}

static int take_port(const json_t *json, uint16_t *out, struct error *err)
{
    const json_t *value = json_object_get(json, "port");
    json_int_t port = json_integer_value(value);

    if (!json_is_integer(value) || port < 0 || port > UINT16_MAX) {
        return error_set(err, "port: expected a number from 0 to 65535");
    }
    *out = (uint16_t)port;
    return 0;
}

static bool is_known(const struct view_entry *entry, const struct address *address)
{
    for (unsigned i = 0; i < entry->connection.address_count; i++) {
        if (address_equal(&entry->addresses[i], address)) {
            return true;
        }
    }
    return false;
}

static int take_addresses(const json_t *list, struct view_entry *entry, struct error *err)
{
    struct view_connection *connection = &entry->connection;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct address *address = &entry->addresses[connection->address_count];
        if (!text) {
            return error_set(err, "addresses: expected strings");
        }
        if (address_parse(text, address, err) != 0) {
            return error_prefix(err, "addresses");
        }
        connection->address_count += !is_known(entry, address);
    }
    connection->addresses = entry->addresses;
    return 0;
}

static int read_source(const json_t *json, const json_t *list, struct view_entry *entry,
                       struct error *err)
{
    if (take_port(json, &entry->connection.port, err) != 0) {
        return -1;
    }
    if (!json_is_array(list) || json_array_size(list) > VIEW_ADDRESSES_MAX) {
        return error_set(err, "addresses: expected a list of at most %d", VIEW_ADDRESSES_MAX);
    }
    return take_addresses(list, entry, err);
}

struct view_entry *view_entry_read(const json_t *json, struct error *err)
{
    const json_t *list = json_object_get(json, "addresses");
    size_t room = json_array_size(list) <= VIEW_ADDRESSES_MAX ? json_array_size(list) : 0;
    struct view_entry *entry = memory_zalloc(sizeof *entry + room * sizeof(struct address));
    struct view_connection *connection = &entry->connection;
    int rc;

    entry->references = 1;
    rc = take_name(json, "id", connection->id, err) != 0 ||
                 take_role(json, &connection->is_source, err) != 0 ||
                 take_name(json, "outbound", connection->outbound, err) != 0 ||
                 take_name(json, "inbound", connection->inbound, err) != 0 ||
                 take_name(json, "instance", connection->instance, err) != 0
             ? -1
             : 0;
    if (rc == 0 && connection->is_source) {
        rc = read_source(json, list, entry, err);
    } else if (rc == 0 && json_object_get(json, "port")) {
        rc = take_port(json, &connection->port, err);
    }
    if (rc != 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

/* ---- writing ---- */

json_t *view_entry_json(const struct view_entry *entry)
{
    const struct view_connection *connection = &entry->connection;
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", connection->id, "role",
                  connection->is_source ? "source" : "target", "outbound", connection->outbound,
                  "inbound", connection->inbound, "instance", connection->instance);
    json_t *list;
    char text[ADDRESS_TEXT_SIZE];

    if (connection->is_source) {
        list = json_array();
        for (unsigned i = 0; i < connection->address_count; i++) {
            address_format(&connection->addresses[i], text, sizeof text);
            json_array_append_new(list, json_string(text));
        }
        json_object_set_new(json, "addresses", list);
    }
    if (connection->is_source || connection->port != 0) {
        json_object_set_new(json, "port", json_integer(connection->port));
    }
    return json;
}

/* ---- lists ---- */

void view_entry_unref(struct view_entry *entry)
{
    if (entry && --entry->references == 0) {
        free(entry);
    }
}

void view_list_append(struct view_list *list, struct view_entry *entry)
{
    if ((list->count & (list->count - 1)) == 0) {
        list->entries =
            memory_grow(list->entries, list->count ? 2 * list->count : 1, sizeof(void *));
    }
    list->entries[list->count++] = entry;
}

void view_list_clear(struct view_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        view_entry_unref(list->entries[i]);
    }
    free(list->entries);
    *list = (struct view_list){0};
}

static int compare_ids(const void *a, const void *b)
{
    const struct view_entry *const *x = a;
    const struct view_entry *const *y = b;

    return strcmp((*x)->connection.id, (*y)->connection.id);
}

/* Whose plug it is: ours, or that of the other end. */
static const char *owner_of(const struct view_connection *connection)
{
    return connection->is_source ? "" : connection->instance;
}

static int compare_plugs(const void *a, const void *b)
{
    const struct view_connection *x = &(*(const struct view_entry *const *)a)->connection;
    const struct view_connection *y = &(*(const struct view_entry *const *)b)->connection;
    int order = strcmp(owner_of(x), owner_of(y));

    return order != 0 ? order : strcmp(x->outbound, y->outbound);
}

static const struct view_connection *find_twice(const struct view_list *list,
                                                int (*compare)(const void *a, const void *b))
{
    for (unsigned i = 1; i < list->count; i++) {
        if (compare(&list->entries[i - 1], &list->entries[i]) == 0) {
            return &list->entries[i]->connection;
        }
    }
    return NULL;
}

int view_list_settle(struct view_list *list, struct error *err)
{
    const struct view_connection *twice;

    if (list->count == 0) {
        return 0;
    }
    qsort(list->entries, list->count, sizeof(void *), compare_plugs);
    twice = find_twice(list, compare_plugs);
    if (twice) {
        return error_set(err, "outbound %s of %s is connected twice", twice->outbound,
                         twice->is_source ? "this instance" : twice->instance);
    }
    qsort(list->entries, list->count, sizeof(void *), compare_ids);
    twice = find_twice(list, compare_ids);
    return twice ? error_set(err, "connection %s is there twice", twice->id) : 0;
}

struct view_entry *view_list_find(const struct view_list *list, const char *id)
{
    unsigned low = 0;
    unsigned high = list->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(list->entries[middle]->connection.id, id);
        if (order == 0) {
            return list->entries[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
