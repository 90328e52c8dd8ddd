/* SPIFFE IDs of instances: spiffe://TRUST-DOMAIN/instance/NAME (SPIFFE-ID, sections 2.1 to 2.3). */
#ifndef APPNET_IDENTITY_SPIFFE_H
#define APPNET_IDENTITY_SPIFFE_H

#include <stddef.h>

#include "appnet/base/error.h"
#include "appnet/base/name.h"

#define SPIFFE_TEXT_SIZE \
    (sizeof("spiffe://") + TRUST_DOMAIN_SIZE + sizeof("/instance/") + NAME_SIZE)

struct spiffe_id {
    char trust_domain[TRUST_DOMAIN_SIZE];
    char instance[NAME_SIZE]; /* empty: the trust domain itself, as in a CA certificate */
};

/* Takes exactly `length` bytes apart; anything but the exact form, a zero byte included, is
 * refused. */
int spiffe_parse(const char *text, size_t length, struct spiffe_id *out, struct error *err);

/* Writes the URI, always terminated. `size` of SPIFFE_TEXT_SIZE is always enough. */
void spiffe_format(const struct spiffe_id *id, char *out, size_t size);

#endif
