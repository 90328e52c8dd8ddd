#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "schema.h"

#define BUSY_MILLISECONDS 2000 /* for a person who looks into it with another program */
#define MODE_SIZE 16

static const char *const sql[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVE] = "SAVEPOINT one",
    [SQL_RELEASE] = "RELEASE one",
    [SQL_UNDO] = "ROLLBACK TO one",
    [SQL_REVISION] = "SELECT revision FROM registry",
    [SQL_SET_REVISION] = "UPDATE registry SET revision = ?1",
    [SQL_INSTANCE_REVISION] = "SELECT revision FROM instances WHERE name = ?1",
    [SQL_CONNECTION_REVISION] =
        "SELECT revision FROM connections WHERE source = ?1 AND outbound = ?2",
    [SQL_TOKEN_REVISION] = "SELECT revision FROM tokens WHERE id = ?1",
    [SQL_PUT_INSTANCE] = "INSERT INTO instances (name, applied, removing, created_at, revision)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)"
                         " ON CONFLICT (name) DO UPDATE SET applied = excluded.applied,"
                         " removing = excluded.removing, created_at = excluded.created_at,"
                         " revision = excluded.revision",
    /* Interfaces that stay are updated in place, since connections hold on to them. */
    [SQL_MARK_INBOUNDS] = "UPDATE inbounds SET position = -1 WHERE instance = ?1",
    [SQL_MARK_OUTBOUNDS] = "UPDATE outbounds SET position = -1 WHERE instance = ?1",
    [SQL_PUT_INBOUND] =
        "INSERT INTO inbounds (instance, name, position, port, rule) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (instance, name) DO UPDATE SET position = excluded.position,"
        " port = excluded.port, rule = excluded.rule",
    [SQL_PUT_OUTBOUND] =
        "INSERT INTO outbounds (instance, name, position, required) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (instance, name) DO UPDATE SET position = excluded.position,"
        " required = excluded.required",
    [SQL_SWEEP_INBOUNDS] = "DELETE FROM inbounds WHERE instance = ?1 AND position = -1",
    [SQL_SWEEP_OUTBOUNDS] = "DELETE FROM outbounds WHERE instance = ?1 AND position = -1",
    /* Never "insert or replace": of two who insert, the key lets one through. */
    [SQL_INSERT_CONNECTION] =
        "INSERT INTO connections"
        " (source, outbound, target, inbound, id, created_at, removing, revision)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_UPDATE_CONNECTION] =
        "UPDATE connections SET target = ?3, inbound = ?4, id = ?5, created_at = ?6,"
        " removing = ?7, revision = ?8 WHERE source = ?1 AND outbound = ?2",
    [SQL_PUT_TOKEN] =
        "INSERT INTO tokens"
        " (id, hash, instance, created_at, expires_at, uses, uses_left, revision)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, instance = excluded.instance,"
        " created_at = excluded.created_at, expires_at = excluded.expires_at,"
        " uses = excluded.uses, uses_left = excluded.uses_left, revision = excluded.revision",
    [SQL_DELETE_INSTANCE] = "DELETE FROM instances WHERE name = ?1",
    [SQL_DELETE_CONNECTION] = "DELETE FROM connections WHERE source = ?1 AND outbound = ?2",
    [SQL_DELETE_TOKEN] = "DELETE FROM tokens WHERE id = ?1",
    [SQL_ALL_INSTANCES] =
        "SELECT name, applied, removing, created_at, revision FROM instances ORDER BY name",
    [SQL_INTERFACES] =
        "SELECT name, 1 AS outbound, required, 0 AS port, '' AS rule, position"
        " FROM outbounds WHERE instance = ?1"
        " UNION ALL SELECT name, 0, 0, port, rule, position FROM inbounds WHERE instance = ?1"
        " ORDER BY position",
    [SQL_ALL_CONNECTIONS] =
        "SELECT source, outbound, target, inbound, id, created_at, removing, revision"
        " FROM connections ORDER BY source, outbound",
    [SQL_ALL_TOKENS] =
        "SELECT id, hash, instance, created_at, expires_at, uses, uses_left, revision"
        " FROM tokens ORDER BY id",
};

/* ---- statements ---- */

int database_bind(sqlite3_stmt *statement, const struct value *values, unsigned count)
{
    int rc = SQLITE_OK;

    for (unsigned i = 0; i < count && rc == SQLITE_OK; i++) {
        const struct value *value = &values[i];
        int place = (int)i + 1;
        switch (value->type) {
        case VALUE_TEXT:
            rc = sqlite3_bind_text(statement, place, value->bytes, -1, SQLITE_STATIC);
            break;
        case VALUE_NUMBER:
            rc = sqlite3_bind_int64(statement, place, value->number);
            break;
        case VALUE_BYTES:
            rc = sqlite3_bind_blob(statement, place, value->bytes, (int)value->number,
                                   SQLITE_STATIC);
            break;
        }
    }
    return rc;
}

int database_run(struct database *database, enum statement which, const struct value *values,
                 unsigned count)
{
    sqlite3_stmt *statement = database->statements[which];
    int rc = database_bind(statement, values, count);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

int database_run_plain(struct database *database, enum statement which)
{
    return database_run(database, which, NULL, 0);
}

int database_ask(struct database *database, enum statement which, const struct value *values,
                 unsigned count, int64_t absent, int64_t *out)
{
    sqlite3_stmt *statement = database->statements[which];
    int rc = database_bind(statement, values, count);

    *out = absent;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        rc = SQLITE_DONE;
    }
    sqlite3_reset(statement);
    return rc;
}

/* ---- opening and closing ---- */

int database_error(const struct database *database, struct error *err)
{
    return schema_error(database->db, database->path, err);
}

/* What is in memory must be what is in the database, so the database is one process's. SQLite's own
 * locks would keep out those too who only look, or make a copy. */
static int lock(struct database *database, struct error *err)
{
    char *path = memory_printf("%s.lock", database->path);
    char *taken = memory_printf("another appnet-registry uses %s: end that one", database->path);
    int rc = file_lock(path, taken, &database->lock, err);

    free(taken);
    free(path);
    return rc;
}

/* SQLite would make it readable for whom the umask lets, and its log likewise. */
static int create(const struct database *database, struct error *err)
{
    int fd = open(database->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return error_set_errno(err, errno, "cannot open %s", database->path);
    }
    close(fd);
    return 0;
}

static int set(struct database *database, const char *pragma, struct error *err)
{
    if (sqlite3_exec(database->db, pragma, NULL, NULL, NULL) != SQLITE_OK) {
        return database_error(database, err);
    }
    return 0;
}

static int keep_mode(void *argument, int count, char **columns, char **names)
{
    char *mode = argument;

    (void)names;
    snprintf(mode, MODE_SIZE, "%s", count > 0 && columns[0] ? columns[0] : "");
    return 0;
}

/* SQLite says which mode it is in then, which need not be the one it was asked for. */
static int set_log(struct database *database, struct error *err)
{
    char mode[MODE_SIZE] = "";

    if (sqlite3_exec(database->db, "PRAGMA journal_mode = WAL", keep_mode, mode, NULL) !=
        SQLITE_OK) {
        return database_error(database, err);
    }
    if (strcmp(mode, "wal") != 0) {
        return error_set(err, "%s cannot have a write-ahead log: put it on a local disk",
                         database->path);
    }
    return 0;
}

static int connect_database(struct database *database, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(database->path, &database->db, flags, NULL) != SQLITE_OK) {
        return database_error(database, err);
    }
    sqlite3_extended_result_codes(database->db, 1);
    sqlite3_busy_timeout(database->db, BUSY_MILLISECONDS);
    if (schema_check(database->db, database->path, &schema_registry, err) != 0 ||
        set_log(database, err) != 0 || set(database, "PRAGMA synchronous = FULL", err) != 0 ||
        set(database, "PRAGMA foreign_keys = ON", err) != 0 ||
        set(database, "PRAGMA trusted_schema = OFF", err) != 0) {
        return -1;
    }
    return schema_migrate(database->db, database->path, &schema_registry, err);
}

static int prepare(struct database *database, struct error *err)
{
    for (unsigned i = 0; i < SQL_STATEMENTS; i++) {
        if (sqlite3_prepare_v3(database->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &database->statements[i], NULL) != SQLITE_OK) {
            return database_error(database, err);
        }
    }
    return 0;
}

struct database *database_open(const char *path, struct error *err)
{
    struct database *database = memory_zalloc(sizeof *database);

    database->path = memory_strdup(path);
    database->lock = -1;
    if (lock(database, err) != 0 || create(database, err) != 0 ||
        connect_database(database, err) != 0 || prepare(database, err) != 0) {
        database_free(database);
        return NULL;
    }
    return database;
}

void database_free(struct database *database)
{
    if (!database) {
        return;
    }
    for (unsigned i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(database->statements[i]);
    }
    sqlite3_close(database->db);
    if (database->lock >= 0) {
        close(database->lock); /* the file stays, lest another be locked in its place */
    }
    free(database->path);
    free(database);
}
