/* The store in an SQLite database: a write-ahead log, and each batch synced before it is answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "database.h"
#include "store_local.h"

struct sqlite {
    struct database *database;
    int64_t revision;    /* of the last commit applied */
    int64_t at_the_disk; /* of the last one that is in the database */
};

/* ---- changes ---- */

static int find_revision(struct sqlite *sqlite, const struct store_change *change, int64_t *out)
{
    switch (change->kind) {
    case STORE_INSTANCE:
        return database_ask(sqlite->database, SQL_INSTANCE_REVISION,
                            VALUES(T(change->row.instance->name)), STORE_ABSENT, out);
    case STORE_CONNECTION:
        return database_ask(
            sqlite->database, SQL_CONNECTION_REVISION,
            VALUES(T(change->row.connection->source), T(change->row.connection->outbound)),
            STORE_ABSENT, out);
    case STORE_TOKEN:
        return database_ask(sqlite->database, SQL_TOKEN_REVISION, VALUES(T(change->row.token->id)),
                            STORE_ABSENT, out);
    }
    return SQLITE_MISUSE;
}

static int put_interface(struct sqlite *sqlite, const char *instance,
                         const struct model_interface *interface, unsigned position)
{
    if (interface->direction == MODEL_INBOUND) {
        return database_run(sqlite->database, SQL_PUT_INBOUND,
                            VALUES(T(instance), T(interface->name), N(position), N(interface->port),
                                   T(interface->rule)));
    }
    return database_run(
        sqlite->database, SQL_PUT_OUTBOUND,
        VALUES(T(instance), T(interface->name), N(position), N(interface->required)));
}

static int put_instance(struct sqlite *sqlite, const struct model_instance *row, int64_t revision)
{
    static const enum statement marks[] = {SQL_MARK_INBOUNDS, SQL_MARK_OUTBOUNDS};
    static const enum statement sweeps[] = {SQL_SWEEP_INBOUNDS, SQL_SWEEP_OUTBOUNDS};
    int rc = database_run(
        sqlite->database, SQL_PUT_INSTANCE,
        VALUES(T(row->name), N(row->applied), N(row->removing), N(row->created_at), N(revision)));

    for (unsigned i = 0; i < 2 && rc == SQLITE_DONE; i++) {
        rc = database_run(sqlite->database, marks[i], VALUES(T(row->name)));
    }
    for (unsigned i = 0; i < row->interface_count && rc == SQLITE_DONE; i++) {
        rc = put_interface(sqlite, row->name, &row->interfaces[i], i);
    }
    for (unsigned i = 0; i < 2 && rc == SQLITE_DONE; i++) {
        rc = database_run(sqlite->database, sweeps[i], VALUES(T(row->name)));
    }
    return rc;
}

static int put_connection(struct sqlite *sqlite, const struct model_connection *row, bool is_there,
                          int64_t revision)
{
    return database_run(sqlite->database, is_there ? SQL_UPDATE_CONNECTION : SQL_INSERT_CONNECTION,
                        VALUES(T(row->source), T(row->outbound), T(row->target), T(row->inbound),
                               T(row->id), N(row->created_at), N(row->removing), N(revision)));
}

static int put_token(struct sqlite *sqlite, const struct model_token *row, int64_t revision)
{
    return database_run(sqlite->database, SQL_PUT_TOKEN,
                        VALUES(T(row->id), B(row->hash, sizeof row->hash), T(row->instance),
                               N(row->created_at), N(row->expires_at), N(row->uses),
                               N(row->uses_left), N(revision)));
}

static int put_row(struct sqlite *sqlite, const struct store_change *change, bool is_there)
{
    int64_t revision = sqlite->revision + 1;

    switch (change->kind) {
    case STORE_INSTANCE:
        return put_instance(sqlite, change->row.instance, revision);
    case STORE_CONNECTION:
        return put_connection(sqlite, change->row.connection, is_there, revision);
    case STORE_TOKEN:
        return put_token(sqlite, change->row.token, revision);
    }
    return SQLITE_MISUSE;
}

static int delete_row(struct sqlite *sqlite, const struct store_change *change)
{
    switch (change->kind) {
    case STORE_INSTANCE:
        return database_run(sqlite->database, SQL_DELETE_INSTANCE,
                            VALUES(T(change->row.instance->name)));
    case STORE_CONNECTION:
        return database_run(
            sqlite->database, SQL_DELETE_CONNECTION,
            VALUES(T(change->row.connection->source), T(change->row.connection->outbound)));
    case STORE_TOKEN:
        return database_run(sqlite->database, SQL_DELETE_TOKEN, VALUES(T(change->row.token->id)));
    }
    return SQLITE_MISUSE;
}

/* ---- batches ---- */

static int tell(struct sqlite *sqlite, struct error *err)
{
    return database_error(sqlite->database, err);
}

static void fail(struct sqlite *sqlite, struct store_result *result)
{
    result->outcome = STORE_FAILED;
    tell(sqlite, &result->why);
}

/* False: it was not made, and the result says why. */
static bool make(struct sqlite *sqlite, const struct store_change *change, unsigned number,
                 struct store_result *result)
{
    int64_t revision;
    int rc = find_revision(sqlite, change, &revision);

    if (rc == SQLITE_DONE && !store_local_expects(change, number, revision, result)) {
        return false;
    }
    if (rc == SQLITE_DONE && change->act == STORE_PUT) {
        rc = put_row(sqlite, change, revision != STORE_ABSENT);
    } else if (rc == SQLITE_DONE && change->act == STORE_DELETE) {
        rc = delete_row(sqlite, change);
    }
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        store_local_violates(change, number, result);
    } else if (rc != SQLITE_DONE) {
        fail(sqlite, result);
    }
    return rc == SQLITE_DONE;
}

static void cancel(void *engine)
{
    struct sqlite *sqlite = engine;

    /* SQLite may have done so itself. */
    if (!sqlite3_get_autocommit(sqlite->database->db)) {
        database_run_plain(sqlite->database, SQL_ROLLBACK);
    }
    sqlite->revision = sqlite->at_the_disk;
}

static int begin(void *engine, struct error *err)
{
    struct sqlite *sqlite = engine;

    return database_run_plain(sqlite->database, SQL_BEGIN) == SQLITE_DONE ? 0 : tell(sqlite, err);
}

static void apply(void *engine, const struct store_change *changes, unsigned count,
                  struct store_result *result)
{
    struct sqlite *sqlite = engine;
    bool made = true;

    *result = (struct store_result){.outcome = STORE_DONE};
    if (database_run_plain(sqlite->database, SQL_SAVE) != SQLITE_DONE) {
        fail(sqlite, result);
        return;
    }
    for (unsigned i = 0; i < count && made; i++) {
        made = make(sqlite, &changes[i], i, result);
    }
    if (result->outcome == STORE_FAILED) {
        return;
    }
    if ((!made && database_run_plain(sqlite->database, SQL_UNDO) != SQLITE_DONE) ||
        database_run_plain(sqlite->database, SQL_RELEASE) != SQLITE_DONE) {
        fail(sqlite, result);
        return;
    }
    sqlite->revision += made;
    result->revision = sqlite->revision;
}

static int end(void *engine, struct error *err)
{
    struct sqlite *sqlite = engine;

    if (sqlite->revision == sqlite->at_the_disk) {
        cancel(sqlite); /* conflicts only */
        return 0;
    }
    if (database_run(sqlite->database, SQL_SET_REVISION, VALUES(N(sqlite->revision))) ==
            SQLITE_DONE &&
        database_run_plain(sqlite->database, SQL_COMMIT) == SQLITE_DONE) {
        sqlite->at_the_disk = sqlite->revision;
        return 0;
    }
    tell(sqlite, err);
    cancel(sqlite);
    return -1;
}

/* ---- reading everything ---- */

static const char *column(sqlite3_stmt *row, int number)
{
    const unsigned char *text = sqlite3_column_text(row, number);

    return text ? (const char *)text : "";
}

static int read_interfaces(struct sqlite *sqlite, struct model_instance *instance,
                           struct error *err)
{
    sqlite3_stmt *row = sqlite->database->statements[SQL_INTERFACES];
    int rc = database_bind(row, VALUES(T(instance->name)));

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
    }
    for (; rc == SQLITE_ROW; rc = sqlite3_step(row)) {
        struct model_interface *interface =
            model_interface_add(instance, column(row, 0),
                                sqlite3_column_int(row, 1) != 0 ? MODEL_OUTBOUND : MODEL_INBOUND);
        interface->required = sqlite3_column_int(row, 2) != 0;
        interface->port = (uint16_t)sqlite3_column_int(row, 3);
        model_name_set(interface->rule, column(row, 4));
    }
    if (rc != SQLITE_DONE) {
        tell(sqlite, err);
    }
    sqlite3_reset(row);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int read_instance(struct sqlite *sqlite, sqlite3_stmt *row, struct mesh *mesh,
                         struct error *err)
{
    struct model_instance *instance = memory_zalloc(sizeof *instance);
    int rc;

    model_name_set(instance->name, column(row, 0));
    instance->applied = sqlite3_column_int(row, 1) != 0;
    instance->removing = sqlite3_column_int(row, 2) != 0;
    instance->created_at = sqlite3_column_int64(row, 3);
    instance->revision = sqlite3_column_int64(row, 4);
    rc = read_interfaces(sqlite, instance, err);
    mesh_put_instance(mesh, instance);
    model_instance_free(instance);
    return rc;
}

static int read_connection(struct sqlite *sqlite, sqlite3_stmt *row, struct mesh *mesh,
                           struct error *err)
{
    struct model_connection connection = {0};

    (void)sqlite;
    (void)err;
    model_name_set(connection.source, column(row, 0));
    model_name_set(connection.outbound, column(row, 1));
    model_name_set(connection.target, column(row, 2));
    model_name_set(connection.inbound, column(row, 3));
    snprintf(connection.id, sizeof connection.id, "%s", column(row, 4));
    connection.created_at = sqlite3_column_int64(row, 5);
    connection.removing = sqlite3_column_int(row, 6) != 0;
    connection.revision = sqlite3_column_int64(row, 7);
    mesh_put_connection(mesh, &connection);
    return 0;
}

static int read_token(struct sqlite *sqlite, sqlite3_stmt *row, struct mesh *mesh,
                      struct error *err)
{
    struct model_token token = {0};
    const void *hash = sqlite3_column_blob(row, 1);

    (void)sqlite;
    (void)err;
    snprintf(token.id, sizeof token.id, "%s", column(row, 0));
    /* A hash of another size matches no secret. */
    if (hash && sqlite3_column_bytes(row, 1) == sizeof token.hash) {
        memcpy(token.hash, hash, sizeof token.hash);
    }
    model_name_set(token.instance, column(row, 2));
    token.created_at = sqlite3_column_int64(row, 3);
    token.expires_at = sqlite3_column_int64(row, 4);
    token.uses = (uint32_t)sqlite3_column_int64(row, 5);
    token.uses_left = (uint32_t)sqlite3_column_int64(row, 6);
    token.revision = sqlite3_column_int64(row, 7);
    mesh_put_token(mesh, &token);
    return 0;
}

static int read_all(struct sqlite *sqlite, enum statement which,
                    int (*read_one)(struct sqlite *sqlite, sqlite3_stmt *row, struct mesh *mesh,
                                    struct error *err),
                    struct mesh *mesh, struct error *err)
{
    sqlite3_stmt *row = sqlite->database->statements[which];
    int step = SQLITE_DONE;
    int rc = 0;

    while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW) {
        rc = read_one(sqlite, row, mesh, err);
    }
    if (rc == 0 && step != SQLITE_DONE) {
        rc = tell(sqlite, err);
    }
    sqlite3_reset(row);
    return rc;
}

static int load(void *engine, struct mesh *mesh, int64_t *revision, struct error *err)
{
    struct sqlite *sqlite = engine;

    if (read_all(sqlite, SQL_ALL_INSTANCES, read_instance, mesh, err) != 0 ||
        read_all(sqlite, SQL_ALL_CONNECTIONS, read_connection, mesh, err) != 0 ||
        read_all(sqlite, SQL_ALL_TOKENS, read_token, mesh, err) != 0) {
        return -1;
    }
    *revision = sqlite->revision;
    return 0;
}

static int read_revision(struct sqlite *sqlite, struct error *err)
{
    if (database_ask(sqlite->database, SQL_REVISION, NULL, 0, 0, &sqlite->revision) !=
        SQLITE_DONE) {
        return tell(sqlite, err);
    }
    sqlite->at_the_disk = sqlite->revision;
    return 0;
}

static void free_sqlite(void *engine)
{
    struct sqlite *sqlite = engine;

    database_free(sqlite->database);
    free(sqlite);
}

static const struct store_engine functions = {
    .load = load,
    .begin = begin,
    .apply = apply,
    .end = end,
    .cancel = cancel,
    .free = free_sqlite,
};

static struct store *open_sqlite(const char *place, const char *folder, struct loop *loop,
                                 struct error *err)
{
    struct sqlite *sqlite;
    char *path;

    if (place[0] == '\0') {
        error_set(err, "store \"sqlite:\" names no file: expected sqlite:PATH");
        return NULL;
    }
    sqlite = memory_zalloc(sizeof *sqlite);
    path = folder ? file_path(folder, place) : memory_strdup(place);
    sqlite->database = database_open(path, err);
    free(path);
    if (!sqlite->database || read_revision(sqlite, err) != 0) {
        free_sqlite(sqlite);
        return NULL;
    }
    return store_local_new(&store_sqlite, &functions, sqlite, loop, err);
}

const struct store_table store_sqlite = {
    .scheme = "sqlite",
    .open = open_sqlite,
    .close = store_local_close,
    .load = store_local_load,
    .commit = store_local_commit,
};
