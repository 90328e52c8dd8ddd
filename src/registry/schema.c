#include "schema.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRAGMA_SIZE 64

/* Rule 3 of connecting is the primary key of `connections`, rule 2 its CHECK, and rule 1 its
 * foreign keys. They also keep whatever is connected from going. */
static const char version_1[] =
    "CREATE TABLE registry ("
    "    id INTEGER PRIMARY KEY CHECK (id = 1),"
    "    revision INTEGER NOT NULL);"
    "INSERT INTO registry (id, revision) VALUES (1, 0);"

    "CREATE TABLE instances ("
    "    name TEXT NOT NULL PRIMARY KEY,"
    "    applied INTEGER NOT NULL,"
    "    removing INTEGER NOT NULL,"
    "    created_at INTEGER NOT NULL,"
    "    revision INTEGER NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE outbounds ("
    "    instance TEXT NOT NULL REFERENCES instances (name) ON DELETE CASCADE,"
    "    name TEXT NOT NULL,"
    "    position INTEGER NOT NULL," /* among inbounds and outbounds */
    "    required INTEGER NOT NULL,"
    "    PRIMARY KEY (instance, name)"
    ") WITHOUT ROWID;"

    "CREATE TABLE inbounds ("
    "    instance TEXT NOT NULL REFERENCES instances (name) ON DELETE CASCADE,"
    "    name TEXT NOT NULL,"
    "    position INTEGER NOT NULL,"
    "    port INTEGER NOT NULL,"
    "    rule TEXT NOT NULL,"
    "    PRIMARY KEY (instance, name)"
    ") WITHOUT ROWID;"

    "CREATE TABLE connections ("
    "    source TEXT NOT NULL,"
    "    outbound TEXT NOT NULL,"
    "    target TEXT NOT NULL,"
    "    inbound TEXT NOT NULL,"
    "    id TEXT NOT NULL UNIQUE,"
    "    created_at INTEGER NOT NULL,"
    "    removing INTEGER NOT NULL,"
    "    revision INTEGER NOT NULL,"
    "    PRIMARY KEY (source, outbound),"
    "    FOREIGN KEY (source, outbound) REFERENCES outbounds (instance, name),"
    "    FOREIGN KEY (target, inbound) REFERENCES inbounds (instance, name),"
    "    CHECK (source <> target)"
    ") WITHOUT ROWID;"
    "CREATE INDEX connections_of_inbounds ON connections (target, inbound);"

    "CREATE TABLE tokens ("
    "    id TEXT NOT NULL PRIMARY KEY,"
    "    hash BLOB NOT NULL,"
    "    instance TEXT NOT NULL,"
    "    created_at INTEGER NOT NULL,"
    "    expires_at INTEGER NOT NULL,"
    "    uses INTEGER NOT NULL,"
    "    uses_left INTEGER NOT NULL,"
    "    revision INTEGER NOT NULL"
    ") WITHOUT ROWID;";

static const char *const steps[] = {version_1};

const struct schema schema_registry = {.steps = steps, .count = sizeof steps / sizeof *steps};

/* ---- errors ---- */

int schema_error(sqlite3 *db, const char *path, struct error *err)
{
    int number = sqlite3_system_errno(db);

    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, "another program has locked %s: end that one", path);
    case SQLITE_FULL:
        return error_set(err, "there is no room left for %s: make some on its disk", path);
    case SQLITE_NOTADB:
        return error_set(err, "%s is no SQLite database, or a damaged one", path);
    case SQLITE_CORRUPT:
        return error_set(err, "%s is damaged: put a copy of it in its place", path);
    case SQLITE_READONLY:
        return error_set(err, "%s cannot be written: is its folder this program's?", path);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (number != 0) {
            return error_set_errno(err, number, "cannot read or write %s", path);
        }
        break;
    default:
        break;
    }
    return error_set(err, "%s: %s (SQLite's code %d)", path, sqlite3_errmsg(db),
                     sqlite3_extended_errcode(db));
}

/* ---- questions ---- */

/* The first column of the first row, as text; "" if there is no row. */
static int ask_text(sqlite3 *db, const char *path, const char *sql, char *out, size_t size,
                    struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    out[0] = '\0';
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        snprintf(out, size, "%s", text ? (const char *)text : "");
        rc = SQLITE_DONE;
    }
    if (rc != SQLITE_DONE) {
        schema_error(db, path, err);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int ask_number(sqlite3 *db, const char *path, const char *sql, int64_t *out,
                      struct error *err)
{
    char text[32];

    if (ask_text(db, path, sql, text, sizeof text, err) != 0) {
        return -1;
    }
    *out = strtoll(text, NULL, 10);
    return 0;
}

static int run(sqlite3 *db, const char *path, const char *sql, struct error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : schema_error(db, path, err);
}

/* Connections, or interfaces, without what they belong to. */
static int check_references(sqlite3 *db, const char *path, struct error *err)
{
    char table[64];

    if (ask_text(db, path, "PRAGMA foreign_key_check", table, sizeof table, err) != 0) {
        return -1;
    }
    if (table[0] != '\0') {
        return error_set(err,
                         "%s is damaged: rows of its table %s belong to nothing; put a copy of it "
                         "in its place",
                         path, table);
    }
    return 0;
}

static int check_integrity(sqlite3 *db, const char *path, struct error *err)
{
    char answer[256];

    if (ask_text(db, path, "PRAGMA integrity_check(1)", answer, sizeof answer, err) != 0) {
        return -1;
    }
    if (strcmp(answer, "ok") != 0) {
        answer[strcspn(answer, "\n")] = '\0';
        return error_set(err, "%s is damaged: put a copy of it in its place (%s)", path, answer);
    }
    return check_references(db, path, err);
}

/* ---- versions ---- */

int schema_check(sqlite3 *db, const char *path, const struct schema *schema, struct error *err)
{
    int64_t application;
    int64_t version;
    int64_t tables;

    if (ask_number(db, path, "PRAGMA application_id", &application, err) != 0 ||
        ask_number(db, path, "PRAGMA user_version", &version, err) != 0 ||
        ask_number(db, path, "SELECT count(*) FROM sqlite_master", &tables, err) != 0) {
        return -1;
    }
    if (application == 0 && version == 0 && tables == 0) {
        return 0;
    }
    if (application != SCHEMA_APPLICATION) {
        return error_set(err, "%s is another program's database", path);
    }
    if (version > schema->count) {
        return error_set(err,
                         "%s was written by a newer appnet-registry: its schema is version %d, and "
                         "this program knows up to %u; run the newer one",
                         path, (int)version, schema->count);
    }
    return check_integrity(db, path, err);
}

static int take_step(sqlite3 *db, const char *path, const char *sql, unsigned version,
                     struct error *err)
{
    char pragma[PRAGMA_SIZE];

    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %u", version);
    if (run(db, path, "BEGIN IMMEDIATE", err) != 0) {
        return -1;
    }
    if (run(db, path, sql, err) == 0 && check_references(db, path, err) == 0 &&
        run(db, path, pragma, err) == 0 && run(db, path, "COMMIT", err) == 0) {
        return 0;
    }
    if (!sqlite3_get_autocommit(db)) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return error_prefix(err, "cannot bring %s to version %u of its schema", path, version);
}

int schema_migrate(sqlite3 *db, const char *path, const struct schema *schema, struct error *err)
{
    char pragma[PRAGMA_SIZE];
    int64_t version;
    int rc = 0;

    if (ask_number(db, path, "PRAGMA user_version", &version, err) != 0) {
        return -1;
    }
    if (version >= schema->count) {
        return 0;
    }
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", SCHEMA_APPLICATION);
    if (run(db, path, pragma, err) != 0 || run(db, path, "PRAGMA foreign_keys = OFF", err) != 0) {
        return -1;
    }
    for (unsigned i = (unsigned)version; i < schema->count && rc == 0; i++) {
        rc = take_step(db, path, schema->steps[i], i + 1, err);
    }
    if (run(db, path, "PRAGMA foreign_keys = ON", rc == 0 ? err : NULL) != 0) {
        return -1;
    }
    return rc;
}
