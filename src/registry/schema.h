/* The tables of the registry's database, and how an older database is brought up to date. */
#ifndef APPNET_REGISTRY_SCHEMA_H
#define APPNET_REGISTRY_SCHEMA_H

#include <sqlite3.h>

#include "appnet/base/error.h"

/* Marks a database as the registry's: "apnt", at bytes 68 to 71 of the file. */
#define SCHEMA_APPLICATION 0x61706e74

/* Steps of SQL; step 0 makes the tables of version 1, step N makes version N+1 of version N. A
 * database tells its version by PRAGMA user_version. What was released is never changed here: new
 * steps go behind the others. */
struct schema {
    const char *const *steps;
    unsigned count;
};

extern const struct schema schema_registry;

/* Checks that the database is empty, or the registry's, whole and not of a newer version than
 * `schema`. Changes nothing. `path` is for the sentence, as in what follows. */
int schema_check(sqlite3 *db, const char *path, const struct schema *schema, struct error *err);

/* Takes the steps that the database has not seen, each whole or not at all. Inside a step foreign
 * keys are not held, so that a table can be made anew; at its end they must be right. */
int schema_migrate(sqlite3 *db, const char *path, const struct schema *schema, struct error *err);

/* What SQLite last complained of, as a sentence. Returns -1. */
int schema_error(sqlite3 *db, const char *path, struct error *err);

#endif
