/* JSON for people: rows in aligned columns, and lines of one value each. What others have said goes
 * to a terminal here: nothing that moves its cursor gets through. */
#ifndef APPNET_CLI_TABLE_H
#define APPNET_CLI_TABLE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_CELL_SIZE 256
#define TABLE_COLUMNS_MAX 16

/* Writes a row's cell for `key` into TABLE_CELL_SIZE bytes. */
typedef void table_format(const json_t *row, const char *key, char *out);

struct table_column {
    const char *title; /* NULL: the end of the columns */
    const char *key;
    table_format *format; /* NULL: table_text */
};

table_format table_text;    /* as it is; yes or no; "-" for what is missing */
table_format table_seconds; /* a number of seconds: 1h02m */
table_format table_bytes;   /* a number of bytes: 3.4 MiB */
table_format table_age;     /* a time in RFC 3339: how long it has been since then */
table_format table_until;   /* how long it is until then; "over" */

/* The titles, then a line for each row of the array. */
void table_print(const json_t *rows, const struct table_column *columns, FILE *out);

/* "title         value" */
void table_line(const char *title, const json_t *object, const char *key, table_format *format,
                FILE *out);

/* Writes a text that others have sent, without its control characters. */
void table_put(const char *text, FILE *out);

/* Seconds since 1970 of `2026-11-23T16:05:00Z` or `...00.123Z`; -1 for anything else. */
int64_t table_time(const char *text);

#endif
