/* Where the registry's rows are kept: in memory (`mem:`, for tests), or in an SQLite database
 * (`sqlite:PATH`). Calls are asynchronous, and every change says what it expects to find, so that a
 * store may as well be far away and slow.
 *
 * A commit is one change of the whole: all of its preconditions hold and all of it is made, or
 * nothing is. Commits are made in the order given, and answered in that order. Each that is made
 * gets the next revision, and so do the rows that it puts.
 *
 * Whatever the caller checked before, the store itself holds that an outbound has one connection
 * (it is the row's key), that no two connections have the same id, that a connection goes from an
 * outbound to an inbound of another instance, both of them there, and that neither goes while it is
 * connected. A commit that would break one of these is a conflict. */
#ifndef APPNET_REGISTRY_STORE_H
#define APPNET_REGISTRY_STORE_H

#include <stdint.h>

#include "appnet/base/error.h"
#include "appnet/base/loop.h"
#include "appnet/registry/model.h"

struct store;

enum store_act {
    STORE_CHECK,  /* only the precondition */
    STORE_PUT,    /* makes the row, or replaces it */
    STORE_DELETE, /* no row is fine if the precondition says so */
};

enum store_kind {
    STORE_INSTANCE,   /* key: name */
    STORE_CONNECTION, /* key: source and outbound */
    STORE_TOKEN,      /* key: id */
};

union store_row {
    const struct model_instance *instance;
    const struct model_connection *connection;
    const struct model_token *token;
};

#define STORE_ABSENT ((int64_t)0)
#define STORE_ANY ((int64_t)-1)

struct store_change {
    enum store_act act;
    enum store_kind kind;
    int64_t expected; /* the revision that the row has now, STORE_ABSENT or STORE_ANY */
    union store_row
        row; /* whole to be put; of others only the key counts. Its revision never does */
};

enum store_outcome {
    STORE_DONE,     /* made, and not lost by a crash of the program or of the machine */
    STORE_CONFLICT, /* a precondition or a constraint was in the way: nothing was changed */
    STORE_FAILED,   /* the store could not: as far as it knows nothing was changed. What was under
                     * way when a disk or network failed may yet be found, whole, after a restart */
};

struct store_result {
    enum store_outcome outcome;
    int64_t revision;  /* DONE: of this commit; CONFLICT: of the last one made */
    unsigned conflict; /* CONFLICT: which change, counted from 0 */
    struct error why;  /* a sentence unless DONE */
};

typedef void store_done(void *argument, const struct store_result *result);
typedef void store_row_seen(void *argument, enum store_kind kind, union store_row row);
typedef void store_changed(void *argument, const struct store_change *changes, unsigned count,
                           int64_t revision);

/* Opens a store, `mem:` or `sqlite:PATH`; a relative path is taken from `folder` (NULL: the current
 * one). A database that is not there is made, readable by its owner only; an older one is brought
 * up to date; a newer, damaged or foreign one is refused, and one that another process uses. This
 * reads the whole database, and may take a while.
 *
 * All callbacks come on `loop`'s thread, never from within a call below but store_close. */
struct store *store_open(const char *where, const char *folder, struct loop *loop,
                         struct error *err);

/* Finishes what was committed, calls what is left to be called, then closes. On the loop's thread,
 * or when the loop has ended, but before it is freed. Nothing may be committed meanwhile, except
 * from within those calls: that is answered with STORE_FAILED. */
void store_close(struct store *store);

/* Gives every row to `row`, instances first, then connections, then tokens, and then calls `done`
 * with the revision that they are of. Rows are good until the call returns. In order with commits.
 */
void store_load(struct store *store, store_row_seen *row, store_done *done, void *argument);

/* Commits; copies what it needs of `changes`. `done` (may be NULL) is called exactly once. May be
 * called from any thread. Changes are made, and constraints held, one after the other: connections
 * go before what they connect. How much waits to be committed is the caller's to bound. */
void store_commit(struct store *store, const struct store_change *changes, unsigned count,
                  store_done *done, void *argument);

/* Calls `changed` with what others commit to the same store. Where there are no others, as with
 * `mem:` and `sqlite:`, it is never called. */
void store_watch(struct store *store, store_changed *changed, void *argument);

#endif
