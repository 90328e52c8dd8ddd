/* What a kind of store is: a table of functions, each as store.h says of the function of its name.
 */
#ifndef APPNET_REGISTRY_STORE_TABLE_H
#define APPNET_REGISTRY_STORE_TABLE_H

#include "appnet/registry/store.h"

struct store_table {
    const char *scheme; /* "sqlite": what is before the colon */
    struct store *(*open)(const char *place, const char *folder, struct loop *loop,
                          struct error *err);
    void (*close)(struct store *store);
    void (*load)(struct store *store, store_row_seen *row, store_done *done, void *argument);
    void (*commit)(struct store *store, const struct store_change *changes, unsigned count,
                   store_done *done, void *argument);
    void (*watch)(struct store *store, store_changed *changed,
                  void *argument); /* NULL: no others */
};

/* What each kind of store begins with. */
struct store {
    const struct store_table *table;
};

extern const struct store_table store_mem;
extern const struct store_table store_sqlite;

#endif
