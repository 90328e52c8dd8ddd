#include "status_table.h"

#include <inttypes.h>
#include <string.h>

#define CELL_SIZE 256

enum cell_type { CELL_TEXT, CELL_SECONDS, CELL_BYTES };

struct column {
    const char *title;
    const char *key;
    enum cell_type type;
};

static const struct column outbound_columns[] = {
    {"NAME", "name", CELL_TEXT},
    {"LISTEN", "listen", CELL_TEXT},
    {"REQUIRED", "required", CELL_TEXT},
    {"INSTANCE", "instance", CELL_TEXT},
    {"INBOUND", "inbound", CELL_TEXT},
    {"ADDRESS", "address", CELL_TEXT},
    {"STREAMS", "streams", CELL_TEXT},
    {"STATUS", "status", CELL_TEXT},
    {"REASON", "reason", CELL_TEXT},
    {"DETAIL", "detail", CELL_TEXT},
    {NULL, NULL, CELL_TEXT},
};

static const struct column inbound_columns[] = {
    {"NAME", "name", CELL_TEXT},
    {"TARGET", "target", CELL_TEXT},
    {"STREAMS", "streams", CELL_TEXT},
    {NULL, NULL, CELL_TEXT},
};

static const struct column tunnel_columns[] = {
    {"ID", "id", CELL_TEXT},
    {"SIDE", "side", CELL_TEXT},
    {"PEER", "peer", CELL_TEXT},
    {"ADDRESS", "address", CELL_TEXT},
    {"STATE", "state", CELL_TEXT},
    {"AGE", "seconds", CELL_SECONDS},
    {"STREAMS", "streams", CELL_TEXT},
    {"SENT", "sent", CELL_BYTES},
    {"RECEIVED", "received", CELL_BYTES},
    {"TLS", "tls", CELL_TEXT},
    {"CIPHER", "cipher", CELL_TEXT},
    {"ENGINE", "engine", CELL_TEXT},
    {NULL, NULL, CELL_TEXT},
};

static void format_seconds(int64_t seconds, char *out)
{
    int64_t days = seconds / 86400;
    int hours = (int)(seconds / 3600 % 24);
    int minutes = (int)(seconds / 60 % 60);
    int rest = (int)(seconds % 60);

    if (days > 0)
        snprintf(out, CELL_SIZE, "%" PRId64 "d%02dh", days, hours);
    else if (hours > 0)
        snprintf(out, CELL_SIZE, "%dh%02dm", hours, minutes);
    else if (minutes > 0)
        snprintf(out, CELL_SIZE, "%dm%02ds", minutes, rest);
    else
        snprintf(out, CELL_SIZE, "%ds", rest);
}

static void format_bytes(double bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    while (bytes >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, CELL_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

/* Into CELL_SIZE bytes. Some of it a peer may have said: nothing that moves the terminal's cursor
 * gets through. */
static void format_cell(const json_t *value, enum cell_type type, char *out)
{
    snprintf(out, CELL_SIZE, "-");
    if (json_is_string(value))
        snprintf(out, CELL_SIZE, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(out, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_number(value) && type == CELL_SECONDS)
        format_seconds((int64_t)json_number_value(value), out);
    else if (json_is_number(value) && type == CELL_BYTES)
        format_bytes(json_number_value(value), out);
    else if (json_is_number(value))
        snprintf(out, CELL_SIZE, "%.0f", json_number_value(value));
    for (char *c = out; *c; c++) {
        if (*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

/* One row: the titles for NULL. The last column needs no room behind it. */
static void print_row(const struct column *columns, const json_t *row, const int *widths, FILE *out)
{
    char cell[CELL_SIZE];

    for (int i = 0; columns[i].title; i++) {
        if (row)
            format_cell(json_object_get(row, columns[i].key), columns[i].type, cell);
        else
            snprintf(cell, sizeof(cell), "%s", columns[i].title);
        if (columns[i + 1].title)
            fprintf(out, "%-*s  ", widths[i], cell);
        else
            fprintf(out, "%s\n", cell);
    }
}

static void print_list(const char *title, const json_t *list, const struct column *columns,
                       FILE *out)
{
    int widths[16];
    size_t index;
    json_t *row;

    fprintf(out, "\n%s\n", title);
    if (json_array_size(list) == 0) {
        fputs("  none\n", out);
        return;
    }
    for (int i = 0; columns[i].title; i++) {
        widths[i] = (int)strlen(columns[i].title);
        json_array_foreach((json_t *)list, index, row)
        {
            char cell[CELL_SIZE];
            int width;

            format_cell(json_object_get(row, columns[i].key), columns[i].type, cell);
            width = (int)strlen(cell);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    print_row(columns, NULL, widths, out);
    json_array_foreach((json_t *)list, index, row) print_row(columns, row, widths, out);
}

static void print_line(const char *title, const json_t *object, const char *key,
                       enum cell_type type, FILE *out)
{
    char cell[CELL_SIZE];

    format_cell(json_object_get(object, key), type, cell);
    fprintf(out, "%-13s %s\n", title, cell);
}

void status_table_print(const json_t *status, FILE *out)
{
    const json_t *certificate = json_object_get(status, "certificate");
    const json_t *streams = json_object_get(status, "streams");

    print_line("instance", status, "instance", CELL_TEXT, out);
    print_line("trust domain", status, "trust_domain", CELL_TEXT, out);
    print_line("state", status, "state", CELL_TEXT, out);
    print_line("up for", status, "uptime_seconds", CELL_SECONDS, out);
    print_line("version", status, "version", CELL_TEXT, out);
    print_line("process", status, "pid", CELL_TEXT, out);
    print_line("workers", status, "workers", CELL_TEXT, out);
    print_line("engine", status, "engine", CELL_TEXT, out);
    fputs("\nCERTIFICATE\n", out);
    print_line("id", certificate, "id", CELL_TEXT, out);
    print_line("serial", certificate, "serial", CELL_TEXT, out);
    print_line("issuer", certificate, "issuer", CELL_TEXT, out);
    print_line("not before", certificate, "not_before", CELL_TEXT, out);
    print_line("not after", certificate, "not_after", CELL_TEXT, out);
    print_list("OUTBOUNDS", json_object_get(status, "outbounds"), outbound_columns, out);
    print_list("INBOUNDS", json_object_get(status, "inbounds"), inbound_columns, out);
    print_list("TUNNELS", json_object_get(status, "tunnels"), tunnel_columns, out);
    fputs("\nSTREAMS\n", out);
    print_line("open", streams, "open", CELL_TEXT, out);
    print_line("opened", streams, "opened", CELL_TEXT, out);
    print_line("refused", streams, "refused", CELL_TEXT, out);
}
