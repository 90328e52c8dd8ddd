/* What the source of a stream asks for, and how it stands in a CONNECT request (RFC 9113,
 * section 8.5):
 * `:authority` is INBOUND.INSTANCE.TRUST-DOMAIN:PORT, `appnet-outbound` names the plug. */
#ifndef APPNET_TUNNEL_REQUEST_H
#define APPNET_TUNNEL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/base/name.h"

#define REQUEST_AUTHORITY_SIZE (2 * NAME_SIZE + TRUST_DOMAIN_SIZE + sizeof(":65535"))

struct stream_request {
    bool probe; /* OPTIONS: would a CONNECT succeed? */
    char inbound[NAME_SIZE];
    char instance[NAME_SIZE];
    char trust_domain[TRUST_DOMAIN_SIZE];
    uint16_t port;
    char outbound[NAME_SIZE];
};

/* Takes exactly `length` bytes apart into inbound, instance, trust_domain and port. Every part is
 * checked against its pattern. False: malformed; *out is then of no use. */
bool request_parse_authority(const char *text, size_t length, struct stream_request *out);

/* Writes the authority, terminated; REQUEST_AUTHORITY_SIZE is always enough. Returns its length. */
size_t request_format_authority(const struct stream_request *request, char *out, size_t size);

#endif
