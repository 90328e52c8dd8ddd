/* SPIFFE IDs (SPIFFE-ID, sections 2.1 to 2.3) of three kinds: an instance's,
 * spiffe://TRUST-DOMAIN/instance/NAME; the registry's, spiffe://TRUST-DOMAIN/registry; and the
 * trust domain's own, spiffe://TRUST-DOMAIN, as in a CA's certificate. */
#ifndef APPNET_IDENTITY_SPIFFE_H
#define APPNET_IDENTITY_SPIFFE_H

#include <stdbool.h>
#include <stddef.h>

#include "appnet/base/error.h"
#include "appnet/base/name.h"

#define SPIFFE_TEXT_SIZE \
    (sizeof("spiffe://") + TRUST_DOMAIN_SIZE + sizeof("/instance/") + NAME_SIZE)

struct spiffe_id {
    char trust_domain[TRUST_DOMAIN_SIZE];
    char instance[NAME_SIZE]; /* empty: the registry, or the trust domain itself */
    bool is_registry;         /* then `instance` is empty: the registry is never an instance */
};

/* Takes exactly `length` bytes apart; anything but the exact form, a zero byte included, is
 * refused. */
int spiffe_parse(const char *text, size_t length, struct spiffe_id *out, struct error *err);

/* The same trust domain and the same of the three kinds, with the same name. */
bool spiffe_equal(const struct spiffe_id *a, const struct spiffe_id *b);

/* Writes the URI, always terminated. `size` of SPIFFE_TEXT_SIZE is always enough. */
void spiffe_format(const struct spiffe_id *id, char *out, size_t size);

#endif
