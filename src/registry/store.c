#include "appnet/registry/store.h"

#include <string.h>

#include "store_table.h"

static const struct store_table *const tables[] = {&store_sqlite, &store_mem};

struct store *store_open(const char *where, const char *folder, struct loop *loop,
                         struct error *err)
{
    size_t length = strcspn(where, ":");

    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        const char *scheme = tables[i]->scheme;
        if (where[length] == ':' && strlen(scheme) == length &&
            strncmp(where, scheme, length) == 0) {
            return tables[i]->open(where + length + 1, folder, loop, err);
        }
    }
    error_set(err, "store \"%.200s\" is of no kind that is known here: expected sqlite:PATH",
              where);
    return NULL;
}

void store_close(struct store *store)
{
    if (store) {
        store->table->close(store);
    }
}

void store_load(struct store *store, store_row_seen *row, store_done *done, void *argument)
{
    store->table->load(store, row, done, argument);
}

void store_commit(struct store *store, const struct store_change *changes, unsigned count,
                  store_done *done, void *argument)
{
    store->table->commit(store, changes, count, done, argument);
}

void store_watch(struct store *store, store_changed *changed, void *argument)
{
    if (store->table->watch) {
        store->table->watch(store, changed, argument);
    }
}
