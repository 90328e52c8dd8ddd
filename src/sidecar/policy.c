#include "appnet/sidecar/policy.h"

#include <string.h>

const char *policy_reason(const char *text)
{
    static const char *const known[] = {REASON_NOT_AUTHORISED, REASON_TARGET_REFUSED,
                                        REASON_INTERFACE_WITHDRAWN};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], text) == 0) {
            return known[i];
        }
    }
    return REASON_NOT_AUTHORISED;
}

static void refuse(struct policy_verdict *out, unsigned status, const char *reason)
{
    out->status = status;
    out->reason = reason;
}

void policy_decide(const struct snapshot *snapshot, const char *peer,
                   const struct stream_request *request, struct policy_verdict *out)
{
    const struct snapshot_allow *allow;

    *out = (struct policy_verdict){0};
    if (!request) {
        refuse(out, 400, REASON_BAD_REQUEST);
        error_set(&out->why, "the peer asks for something other than a CONNECT to "
                             "INBOUND.INSTANCE.TRUST-DOMAIN:PORT "
                             "from a named outbound");
        return;
    }
    if (strcmp(request->trust_domain, snapshot->trust_domain) != 0 ||
        strcmp(request->instance, snapshot->instance) != 0) {
        refuse(out, 404, REASON_INTERFACE_WITHDRAWN);
        error_set(&out->why, "the peer asks for instance %s of %s; this is %s of %s",
                  request->instance, request->trust_domain, snapshot->instance,
                  snapshot->trust_domain);
        return;
    }
    out->inbound = snapshot_find_inbound(snapshot, request->inbound);
    if (!out->inbound) {
        refuse(out, 404, REASON_INTERFACE_WITHDRAWN);
        error_set(&out->why, "this instance has no inbound %s", request->inbound);
        return;
    }
    allow = snapshot_find_allow(snapshot, request->inbound, peer, request->outbound);
    if (!allow) {
        refuse(out, 403, REASON_NOT_AUTHORISED);
        error_set(&out->why, "inbound %s is not connected to outbound %s of %s", request->inbound,
                  request->outbound, peer);
        out->inbound = NULL;
        return;
    }
    if (allow->port != 0 && allow->port != out->inbound->target.port) {
        refuse(out, 404, REASON_INTERFACE_WITHDRAWN);
        error_set(&out->why,
                  "the rule of inbound %s names port %u, and it is at port %u here: look at "
                  "inbounds in the configuration",
                  request->inbound, allow->port, out->inbound->target.port);
        out->inbound = NULL;
        return;
    }
    out->status = 200;
}
