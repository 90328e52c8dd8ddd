/* A store, waited for: each call runs the loop until it is answered. */
#ifndef STORE_SUPPORT_H
#define STORE_SUPPORT_H

#include "appnet/registry/mesh.h"
#include "appnet/registry/store.h"
#include "registry_support.h"

struct keeper {
    struct loop *loop;
    struct store *store;
};

/* Fails the test if it cannot. */
void support_open_store(struct keeper *keeper, const char *where);
/* May be opened again then. */
void support_close_store(struct keeper *keeper);

struct store_result support_commit(struct keeper *keeper, const struct store_change *changes,
                                   unsigned count);

#define SUPPORT_COMMIT(keeper, ...)                                                \
    support_commit((keeper), (const struct store_change[]){__VA_ARGS__},           \
                   (unsigned)(sizeof((const struct store_change[]){__VA_ARGS__}) / \
                              sizeof(struct store_change)))

/* Everything in the store; the caller frees it. */
struct mesh *support_load(struct keeper *keeper, int64_t *revision);

/* Changes whose rows live until the store is closed. What is put is written as in
 * registry_support.h; `expected` is that of a change. */
struct store_change support_put_instance_change(int64_t expected, const char *name,
                                                const char *words);
struct store_change support_put_connection_change(int64_t expected, const char *id,
                                                  const char *ends);
struct store_change support_put_token_change(int64_t expected, const char *id, unsigned uses_left);
/* The same change, but its act is another. */
struct store_change support_check(struct store_change change);
struct store_change support_delete(struct store_change change);

#endif
