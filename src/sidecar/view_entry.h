/* The connections of a view, as a list that is made whole before it replaces another. Private to
 * src/sidecar. */
#ifndef APPNET_SIDECAR_VIEW_ENTRY_H
#define APPNET_SIDECAR_VIEW_ENTRY_H

#include <jansson.h>

#include "appnet/sidecar/view.h"

/* Immutable once read; lists share them. */
struct view_entry {
    struct view_connection connection;
    unsigned references;
    struct address addresses[];
};

struct view_list {
    struct view_entry **entries; /* sorted by id */
    unsigned count;
};

/* Reads C of the feed; NULL: it is not one. */
struct view_entry *view_entry_read(const json_t *json, struct error *err);
json_t *view_entry_json(const struct view_entry *entry);
void view_entry_unref(struct view_entry *entry);

/* Takes the reference over. */
void view_list_append(struct view_list *list, struct view_entry *entry);
void view_list_clear(struct view_list *list);

/* Sorts it; fails if an id is there twice, or a plug that is connected twice. */
int view_list_settle(struct view_list *list, struct error *err);

struct view_entry *view_list_find(const struct view_list *list, const char *id);

#endif
