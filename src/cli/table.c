#include "table.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* As long, in columns of a terminal, as it has characters in UTF-8. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* How many bytes at `text` are a control character, of ASCII or (U+0080 to U+009F) of Latin 1,
 * where terminals know them, too. */
static int control_size(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    unsigned char second = first ? (unsigned char)text[1] : 0;

    if (first < ' ' || first == 0x7f) {
        return 1;
    }
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

static void harmless(char *text)
{
    for (; *text; text++) {
        for (int size = control_size(text); size > 0; size--) {
            text[size - 1] = '?';
        }
    }
}

void table_put(const char *text, FILE *out)
{
    while (*text) {
        int size = control_size(text);
        fputc(size > 0 ? '?' : *text, out);
        text += size > 0 ? size : 1;
    }
}

void table_text(const json_t *row, const char *key, char *out)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_string(value)) {
        snprintf(out, TABLE_CELL_SIZE, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(out, TABLE_CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_number(value)) {
        snprintf(out, TABLE_CELL_SIZE, "%.0f", json_number_value(value));
    } else {
        snprintf(out, TABLE_CELL_SIZE, "-");
    }
}

static void format_seconds(int64_t seconds, char *out)
{
    int64_t days = seconds / 86400;
    int hours = (int)(seconds / 3600 % 24);
    int minutes = (int)(seconds / 60 % 60);
    int rest = (int)(seconds % 60);

    if (days > 0) {
        snprintf(out, TABLE_CELL_SIZE, "%" PRId64 "d%02dh", days, hours);
    } else if (hours > 0) {
        snprintf(out, TABLE_CELL_SIZE, "%dh%02dm", hours, minutes);
    } else if (minutes > 0) {
        snprintf(out, TABLE_CELL_SIZE, "%dm%02ds", minutes, rest);
    } else {
        snprintf(out, TABLE_CELL_SIZE, "%ds", rest);
    }
}

void table_seconds(const json_t *row, const char *key, char *out)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_number(value)) {
        format_seconds((int64_t)json_number_value(value), out);
    } else {
        table_text(row, key, out);
    }
}

void table_bytes(const json_t *row, const char *key, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    const json_t *value = json_object_get(row, key);
    double bytes = json_number_value(value);
    unsigned unit = 0;

    if (!json_is_number(value)) {
        table_text(row, key, out);
        return;
    }
    while (bytes >= 1024 && unit < sizeof units / sizeof units[0] - 1) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, TABLE_CELL_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

int64_t table_time(const char *text)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

    if (end && *end == '.') {
        end++;
        end += strspn(end, "0123456789");
    }
    return end && strcmp(end, "Z") == 0 ? (int64_t)timegm(&parts) : -1;
}

void table_age(const json_t *row, const char *key, char *out)
{
    const char *text = json_string_value(json_object_get(row, key));
    int64_t then = text ? table_time(text) : -1;
    int64_t now = (int64_t)time(NULL);

    if (then < 0) {
        table_text(row, key, out);
    } else {
        /* The registry's clock may be ahead of ours. */
        format_seconds(now > then ? now - then : 0, out);
    }
}

void table_until(const json_t *row, const char *key, char *out)
{
    const char *text = json_string_value(json_object_get(row, key));
    int64_t then = text ? table_time(text) : -1;
    int64_t now = (int64_t)time(NULL);

    if (then < 0) {
        table_text(row, key, out);
    } else if (then <= now) {
        snprintf(out, TABLE_CELL_SIZE, "over");
    } else {
        format_seconds(then - now, out);
    }
}

static void make_cell(const struct table_column *column, const json_t *row, char *out)
{
    (column->format ? column->format : table_text)(row, column->key, out);
    harmless(out);
}

static void print_cell(const char *cell, int width, FILE *out)
{
    fprintf(out, "%s%*s", cell, width - width_of(cell) + 2, "");
}

/* One row: the titles for NULL. The last column needs no room behind it. */
static void print_row(const struct table_column *columns, const json_t *row, const int *widths,
                      FILE *out)
{
    char cell[TABLE_CELL_SIZE];

    for (int i = 0; columns[i].title; i++) {
        if (row) {
            make_cell(&columns[i], row, cell);
        } else {
            snprintf(cell, sizeof cell, "%s", columns[i].title);
        }
        if (columns[i + 1].title) {
            print_cell(cell, widths[i], out);
        } else {
            fprintf(out, "%s\n", cell);
        }
    }
}

void table_print(const json_t *rows, const struct table_column *columns, FILE *out)
{
    int widths[TABLE_COLUMNS_MAX];
    char cell[TABLE_CELL_SIZE];
    size_t count = json_array_size(rows);

    for (int i = 0; columns[i].title; i++) {
        widths[i] = width_of(columns[i].title);
        for (size_t r = 0; r < count; r++) {
            make_cell(&columns[i], json_array_get(rows, r), cell);
            widths[i] = width_of(cell) > widths[i] ? width_of(cell) : widths[i];
        }
    }
    print_row(columns, NULL, widths, out);
    for (size_t r = 0; r < count; r++) {
        print_row(columns, json_array_get(rows, r), widths, out);
    }
}

void table_line(const char *title, const json_t *object, const char *key, table_format *format,
                FILE *out)
{
    const struct table_column column = {title, key, format};
    char cell[TABLE_CELL_SIZE];

    make_cell(&column, object, cell);
    fprintf(out, "%-13s %s\n", title, cell);
}
