/* The registry's database: opened, locked, of the right schema, its statements prepared. */
#ifndef APPNET_REGISTRY_DATABASE_H
#define APPNET_REGISTRY_DATABASE_H

#include <stdint.h>

#include <sqlite3.h>

#include "appnet/base/error.h"

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVE,
    SQL_RELEASE,
    SQL_UNDO,
    SQL_REVISION,
    SQL_SET_REVISION,
    SQL_INSTANCE_REVISION,
    SQL_CONNECTION_REVISION,
    SQL_TOKEN_REVISION,
    SQL_PUT_INSTANCE,
    SQL_MARK_INBOUNDS,
    SQL_MARK_OUTBOUNDS,
    SQL_PUT_INBOUND,
    SQL_PUT_OUTBOUND,
    SQL_SWEEP_INBOUNDS,
    SQL_SWEEP_OUTBOUNDS,
    SQL_INSERT_CONNECTION,
    SQL_UPDATE_CONNECTION,
    SQL_PUT_TOKEN,
    SQL_DELETE_INSTANCE,
    SQL_DELETE_CONNECTION,
    SQL_DELETE_TOKEN,
    SQL_ALL_INSTANCES,
    SQL_INTERFACES,
    SQL_ALL_CONNECTIONS,
    SQL_ALL_TOKENS,
    SQL_STATEMENTS
};

struct database {
    char *path;
    int lock; /* descriptor of PATH.lock */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
};

/* Opens the database, or makes it, and brings it up to date; see store_open. */
struct database *database_open(const char *path, struct error *err);
void database_free(struct database *database);

struct value {
    enum { VALUE_TEXT, VALUE_NUMBER, VALUE_BYTES } type;
    const void *bytes;
    int64_t number; /* or how many bytes */
};

#define T(text) ((struct value){.type = VALUE_TEXT, .bytes = (text)})
#define N(n) ((struct value){.type = VALUE_NUMBER, .number = (int64_t)(n)})
#define B(data, size) \
    ((struct value){.type = VALUE_BYTES, .bytes = (data), .number = (int64_t)(size)})
/* Both arguments of a call: the values, and how many. */
#define VALUES(...)                      \
    (const struct value[]){__VA_ARGS__}, \
        (unsigned)(sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))

/* Binds a statement's parameters. The values stay the caller's, and are used until the statement is
 * reset. Returns SQLITE_OK, or what went wrong. */
int database_bind(sqlite3_stmt *statement, const struct value *values, unsigned count);

/* Runs a statement. Returns SQLITE_DONE, or what went wrong. */
int database_run(struct database *database, enum statement which, const struct value *values,
                 unsigned count);
int database_run_plain(struct database *database, enum statement which);

/* The number that a query finds; `absent` if it finds no row. Returns as database_run. */
int database_ask(struct database *database, enum statement which, const struct value *values,
                 unsigned count, int64_t absent, int64_t *out);

/* What it last complained of, as a sentence. Returns -1. */
int database_error(const struct database *database, struct error *err);

#endif
