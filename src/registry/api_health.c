#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "api_routes.h"

void api_healthz(struct api *api, struct reply *reply, const struct api_call *call)
{
    (void)api;
    (void)call;
    reply_json(reply, 200, json_pack("{s:s}", "status", "ok"));
}

/* It serves nothing before the store is loaded, so whoever hears this may use it. */
void api_readyz(struct api *api, struct reply *reply, const struct api_call *call)
{
    api_healthz(api, reply, call);
}

static void add_gauge(struct evbuffer *out, const char *name, const char *help, uint64_t value)
{
    evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name,
                        name, value);
}

static void add_standings(struct evbuffer *out, const struct core *core)
{
    static const enum state_status all[] = {STATE_WAITING, STATE_ESTABLISHED, STATE_FAILED,
                                            STATE_TERMINATED};
    const struct model_connection *at = NULL;
    uint64_t counts[sizeof all / sizeof all[0]] = {0};

    while ((at = mesh_next_connection(core->mesh, at))) {
        counts[standings_of(core->standings, at->id)->status]++;
    }
    evbuffer_add_printf(out, "# HELP appnet_connections Connections by status.\n"
                             "# TYPE appnet_connections gauge\n");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        evbuffer_add_printf(out, "appnet_connections{status=\"%s\"} %" PRIu64 "\n",
                            state_status_text(all[i]), counts[all[i]]);
    }
}

void api_metrics(struct api *api, struct reply *reply, const struct api_call *call)
{
    const struct core *core = api->core;
    struct evbuffer *out = evbuffer_new();
    struct http_exchange *exchange = reply_release(reply);

    (void)call;
    add_gauge(out, "appnet_instances", "Instances known.", mesh_instance_count(core->mesh));
    add_gauge(out, "appnet_replicas", "Replicas within their leases.",
              presence_count(core->presence));
    add_gauge(out, "appnet_join_tokens", "Join tokens kept.", mesh_token_count(core->mesh));
    add_gauge(out, "appnet_revision", "Number of the last change.", (uint64_t)core->revision);
    add_standings(out, core);
    if (exchange) {
        size_t size = evbuffer_get_length(out);
        http_exchange_answer(exchange, 200, "text/plain; version=0.0.4",
                             evbuffer_pullup(out, (ev_ssize_t)size), size);
    }
    evbuffer_free(out);
}
