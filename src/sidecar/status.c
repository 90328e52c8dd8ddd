#include "appnet/sidecar/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/time.h"
#include "config.h"

/* ---- sums over the workers ---- */

static unsigned streams_of(const struct status *status, bool is_source, const char *name)
{
    unsigned total = 0;

    for (unsigned i = 0; i < status->workers; i++) {
        const struct worker_report *report = status->reports[i];
        for (unsigned k = 0; k < report->use_count; k++) {
            if (report->uses[k].is_source == is_source && strcmp(report->uses[k].name, name) == 0) {
                total += report->uses[k].streams;
            }
        }
    }
    return total;
}

struct totals {
    uint64_t open, opened, refused;
    unsigned tunnels[2]; /* as target, as source */
    uint64_t sent, received;
};

static struct totals add_up(const struct status *status)
{
    struct totals totals = {0};

    for (unsigned i = 0; i < status->workers; i++) {
        const struct worker_report *report = status->reports[i];
        totals.open += report->open;
        totals.opened += report->opened;
        totals.refused += report->refused;
        for (unsigned k = 0; k < report->tunnel_count; k++) {
            totals.tunnels[report->tunnels[k].is_client]++;
            totals.sent += report->tunnels[k].sent;
            totals.received += report->tunnels[k].received;
        }
    }
    return totals;
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *text)
{
    return text && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *address_json(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text, sizeof text);
    return json_string(text);
}

static json_t *time_json(int64_t seconds)
{
    char text[TIME_TEXT_SIZE];

    time_format(seconds, text, sizeof text);
    return json_string(text);
}

static json_t *seconds_json(int64_t microseconds)
{
    return json_real((double)(microseconds / 1000) / 1000.0);
}

static json_t *certificate_json(const struct certificate_summary *certificate)
{
    if (!certificate) {
        return json_null();
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", certificate->id, "serial",
                     certificate->serial, "issuer", certificate->issuer, "not_before",
                     time_json(certificate->not_before), "not_after",
                     time_json(certificate->not_after));
}

static json_t *addresses_json(const struct snapshot *snapshot,
                              const struct snapshot_outbound *outbound)
{
    const struct address *addresses = snapshot_addresses(snapshot, outbound);
    json_t *list = json_array();

    for (unsigned i = 0; i < outbound->address_count; i++) {
        json_array_append_new(list, address_json(&addresses[i]));
    }
    return list;
}

static json_t *outbounds_json(const struct status *status)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < status->snapshot->outbound_count; i++) {
        const struct snapshot_outbound *outbound = &status->snapshot->outbounds[i];
        const struct connection_state *state = board_state(status->board, outbound->name);
        const struct address *first = snapshot_addresses(status->snapshot, outbound);
        json_array_append_new(
            list,
            json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "name",
                      outbound->name, "required", outbound->required, "listen",
                      outbound->listen.port != 0 ? address_json(&outbound->listen) : json_null(),
                      "connection", text_or_null(outbound->id), "instance",
                      text_or_null(outbound->instance), "inbound", text_or_null(outbound->inbound),
                      "address", outbound->address_count > 0 ? address_json(first) : json_null(),
                      "addresses", addresses_json(status->snapshot, outbound), "status",
                      text_or_null(state ? connection_status_text(state->status) : NULL), "reason",
                      text_or_null(state ? state->reason : NULL), "detail",
                      text_or_null(state ? state->detail.text : NULL), "streams",
                      (int)streams_of(status, true, outbound->name)));
    }
    return list;
}

static json_t *inbounds_json(const struct status *status)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < status->snapshot->inbound_count; i++) {
        const struct snapshot_inbound *inbound = &status->snapshot->inbounds[i];
        json_array_append_new(list, json_pack("{s:s, s:o, s:i}", "name", inbound->name, "target",
                                              address_json(&inbound->target), "streams",
                                              (int)streams_of(status, false, inbound->name)));
    }
    return list;
}

static json_t *tunnels_json(const struct status *status)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < status->workers; i++) {
        const struct worker_report *report = status->reports[i];
        for (unsigned k = 0; k < report->tunnel_count; k++) {
            const struct worker_tunnel *tunnel = &report->tunnels[k];
            json_array_append_new(
                list,
                json_pack("{s:I, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:o}", "id",
                          (json_int_t)tunnel->id, "side", tunnel->is_client ? "source" : "target",
                          "peer", tunnel->peer, "address", tunnel->address, "worker",
                          (int)tunnel->worker, "tls", tunnel->version, "cipher", tunnel->cipher,
                          "engine", tunnel->engine, "state", tunnel->draining ? "draining" : "up",
                          "streams", (int)tunnel->streams, "sent", (json_int_t)tunnel->sent,
                          "received", (json_int_t)tunnel->received, "seconds",
                          seconds_json(tunnel->microseconds)));
        }
    }
    return list;
}

static json_t *registry_json(const struct membership_info *registry)
{
    if (!registry) {
        return json_null();
    }
    return json_pack("{s:s, s:b, s:I, s:o, s:o}", "address", registry->address, "connected",
                     registry->connected, "revision", (json_int_t)registry->revision,
                     "last_contact",
                     registry->last_contact > 0 ? time_json(registry->last_contact) : json_null(),
                     "detail", text_or_null(registry->trouble));
}

char *status_json(const struct status *status)
{
    struct totals totals = add_up(status);
    json_t *whole = json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}}",
        "instance", status->snapshot->instance, "trust_domain", status->snapshot->trust_domain,
        "version", PACKAGE_VERSION, "pid", (int)getpid(), "state",
        status->draining ? "draining" : "running", "uptime_seconds",
        seconds_json(loop_now() - status->started), "workers", (int)status->workers, "engine",
        status->engine, "certificate", certificate_json(status->certificate), "registry",
        registry_json(status->registry), "outbounds", outbounds_json(status), "inbounds",
        inbounds_json(status), "tunnels", tunnels_json(status), "streams", "open",
        (json_int_t)totals.open, "opened", (json_int_t)totals.opened, "refused",
        (json_int_t)totals.refused);
    char *text = json_dumps(whole, JSON_INDENT(2));

    json_decref(whole);
    return text ? text : memory_strdup("{}");
}

/* ---- Prometheus ---- */

struct text {
    char *bytes;
    size_t length;
};

static void append(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct text *text, const char *format, ...)
{
    va_list args;
    va_list again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text->bytes = memory_grow(text->bytes, text->length + (size_t)n + 1, 1);
    vsnprintf(text->bytes + text->length, (size_t)n + 1, format, again);
    va_end(again);
    text->length += (size_t)n;
}

static void describe(struct text *text, const char *name, const char *type, const char *help)
{
    append(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct text *text, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    describe(text, name, type, help);
    append(text, "%s %" PRIu64 "\n", name, value);
}

char *status_metrics(const struct status *status)
{
    struct totals totals = add_up(status);
    struct text text = {0};

    describe(&text, "appnet_info", "gauge", "The sidecar.");
    append(&text, "appnet_info{instance=\"%s\",version=\"%s\",engine=\"%s\"} 1\n",
           status->snapshot->instance, PACKAGE_VERSION, status->engine);
    number(&text, "appnet_streams_open", "gauge", "Application connections carried now.",
           totals.open);
    number(&text, "appnet_streams_opened_total", "counter",
           "Application connections carried since the start.", totals.opened);
    number(&text, "appnet_streams_refused_total", "counter",
           "Application connections refused since the start.", totals.refused);
    describe(&text, "appnet_tunnels", "gauge", "Tunnels that are up, by our side of them.");
    append(&text, "appnet_tunnels{side=\"source\"} %u\nappnet_tunnels{side=\"target\"} %u\n",
           totals.tunnels[1], totals.tunnels[0]);
    describe(&text, "appnet_connection_established", "gauge",
             "1 when an outbound's connection was measured to work.");
    for (unsigned i = 0; i < status->snapshot->outbound_count; i++) {
        const struct snapshot_outbound *outbound = &status->snapshot->outbounds[i];
        const struct connection_state *state = board_state(status->board, outbound->name);
        if (state) {
            append(&text,
                   "appnet_connection_established{outbound=\"%s\",instance=\"%s\",inbound=\"%s\"} "
                   "%d\n",
                   outbound->name, outbound->instance, outbound->inbound,
                   state->status == CONNECTION_ESTABLISHED);
        }
    }
    if (status->certificate) {
        number(&text, "appnet_certificate_expiry_seconds", "gauge",
               "When our certificate ends, in seconds since 1970.",
               (uint64_t)status->certificate->not_after);
    }
    if (status->registry) {
        number(&text, "appnet_registry_connected", "gauge", "1 when the registry's watch is open.",
               status->registry->connected);
    }
    return text.bytes;
}

bool status_ready(const struct status *status, char **out)
{
    struct text text = {0};

    if (status->draining) {
        append(&text, "draining\n");
    }
    if (!status->certificate) {
        append(&text, "not joined yet%s%s\n", status->registry->trouble ? ": " : "",
               status->registry->trouble ? status->registry->trouble : "");
    }
    for (unsigned i = 0; i < status->snapshot->outbound_count; i++) {
        const struct snapshot_outbound *outbound = &status->snapshot->outbounds[i];
        const struct connection_state *state = board_state(status->board, outbound->name);
        if (!outbound->required || (state && state->status == CONNECTION_ESTABLISHED)) {
            continue;
        }
        append(&text, "required outbound %s: %s%s%s\n", outbound->name,
               state ? connection_status_text(state->status) : "not connected",
               state && state->detail.text[0] != '\0' ? ": " : "", state ? state->detail.text : "");
    }
    *out = text.bytes ? text.bytes : memory_strdup("ready\n");
    return text.bytes == NULL;
}
