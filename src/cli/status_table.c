#include "status_table.h"

#include "table.h"

/* Of all the target's replicas. */
static void addresses(const json_t *row, const char *key, char *out)
{
    const json_t *list = json_object_get(row, "addresses");
    size_t used = 0;

    if (json_array_size(list) < 2) {
        table_text(row, key, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(list) && used < TABLE_CELL_SIZE; i++) {
        const char *address = json_string_value(json_array_get(list, i));
        used += (size_t)snprintf(out + used, TABLE_CELL_SIZE - used, "%s%s", i > 0 ? "," : "",
                                 address ? address : "-");
    }
}

static const struct table_column outbound_columns[] = {
    {"NAME", "name", NULL},         {"LISTEN", "listen", NULL},   {"REQUIRED", "required", NULL},
    {"INSTANCE", "instance", NULL}, {"INBOUND", "inbound", NULL}, {"ADDRESS", "address", addresses},
    {"STREAMS", "streams", NULL},   {"STATUS", "status", NULL},   {"REASON", "reason", NULL},
    {"DETAIL", "detail", NULL},     {NULL, NULL, NULL},
};

static const struct table_column inbound_columns[] = {
    {"NAME", "name", NULL},
    {"TARGET", "target", NULL},
    {"STREAMS", "streams", NULL},
    {NULL, NULL, NULL},
};

static const struct table_column tunnel_columns[] = {
    {"ID", "id", NULL},
    {"SIDE", "side", NULL},
    {"PEER", "peer", NULL},
    {"ADDRESS", "address", NULL},
    {"STATE", "state", NULL},
    {"AGE", "seconds", table_seconds},
    {"STREAMS", "streams", NULL},
    {"SENT", "sent", table_bytes},
    {"RECEIVED", "received", table_bytes},
    {"TLS", "tls", NULL},
    {"CIPHER", "cipher", NULL},
    {"ENGINE", "engine", NULL},
    {NULL, NULL, NULL},
};

static void print_list(const char *title, const json_t *list, const struct table_column *columns,
                       FILE *out)
{
    fprintf(out, "\n%s\n", title);
    if (json_array_size(list) == 0) {
        fputs("  none\n", out);
    } else {
        table_print(list, columns, out);
    }
}

static void print_registry(const json_t *registry, FILE *out)
{
    if (!json_is_object(registry)) {
        return;
    }
    fputs("\nREGISTRY\n", out);
    table_line("address", registry, "address", NULL, out);
    table_line("connected", registry, "connected", NULL, out);
    table_line("revision", registry, "revision", NULL, out);
    table_line("last contact", registry, "last_contact", NULL, out);
    table_line("detail", registry, "detail", NULL, out);
}

void status_table_print(const json_t *status, FILE *out)
{
    const json_t *certificate = json_object_get(status, "certificate");
    const json_t *streams = json_object_get(status, "streams");

    table_line("instance", status, "instance", NULL, out);
    table_line("trust domain", status, "trust_domain", NULL, out);
    table_line("state", status, "state", NULL, out);
    table_line("up for", status, "uptime_seconds", table_seconds, out);
    table_line("version", status, "version", NULL, out);
    table_line("process", status, "pid", NULL, out);
    table_line("workers", status, "workers", NULL, out);
    table_line("engine", status, "engine", NULL, out);
    fputs("\nCERTIFICATE\n", out);
    table_line("id", certificate, "id", NULL, out);
    table_line("serial", certificate, "serial", NULL, out);
    table_line("issuer", certificate, "issuer", NULL, out);
    table_line("not before", certificate, "not_before", NULL, out);
    table_line("not after", certificate, "not_after", NULL, out);
    print_registry(json_object_get(status, "registry"), out);
    print_list("OUTBOUNDS", json_object_get(status, "outbounds"), outbound_columns, out);
    print_list("INBOUNDS", json_object_get(status, "inbounds"), inbound_columns, out);
    print_list("TUNNELS", json_object_get(status, "tunnels"), tunnel_columns, out);
    fputs("\nSTREAMS\n", out);
    table_line("open", streams, "open", NULL, out);
    table_line("opened", streams, "opened", NULL, out);
    table_line("refused", streams, "refused", NULL, out);
}
