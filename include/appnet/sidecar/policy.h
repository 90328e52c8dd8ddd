/* The target's own decision on a stream, from its list of connections and the peer's verified
 * identity. No I/O. */
#ifndef APPNET_SIDECAR_POLICY_H
#define APPNET_SIDECAR_POLICY_H

#include "appnet/base/error.h"
#include "appnet/sidecar/snapshot.h"
#include "appnet/tunnel/request.h"

/* Reason codes: on the wire (`appnet-reason`), in logs and in states. */
#define REASON_NO_REPLICA "no-replica"
#define REASON_UNREACHABLE "unreachable"
#define REASON_TLS_REFUSED "tls-refused"
#define REASON_NOT_AUTHORISED "not-authorised"
#define REASON_TARGET_REFUSED "target-refused"
#define REASON_LISTEN_CONFLICT "listen-conflict"
#define REASON_INTERFACE_WITHDRAWN "interface-withdrawn"
#define REASON_BAD_REQUEST "bad-request"

struct policy_verdict {
    unsigned status;                        /* 200, or the refusal's 400, 403 or 404 */
    const char *reason;                     /* NULL with 200 */
    const struct snapshot_inbound *inbound; /* with 200: what to dial */
    struct error why;                       /* otherwise: a sentence for our log */
};

/* The reason code that a target has given, as a constant of ours: what it says is never passed on
 * as it came. */
const char *policy_reason(const char *text);

/* `request` NULL: it could not be understood. `peer` is the instance name of the verified
 * certificate. */
void policy_decide(const struct snapshot *snapshot, const char *peer,
                   const struct stream_request *request, struct policy_verdict *out);

#endif
