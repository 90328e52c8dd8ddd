#include "appnet/identity/spiffe.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "spiffe://"
#define INSTANCE "/instance/"

int spiffe_parse(const char *text, size_t length, struct spiffe_id *out, struct error *err)
{
    const char *end = text + length;
    const char *domain = text + strlen(SCHEME);
    const char *path;
    const char *name = end;

    if (length < strlen(SCHEME) || memcmp(text, SCHEME, strlen(SCHEME)) != 0)
        return error_set(err, "the URI does not begin with " SCHEME);
    path = memchr(domain, '/', (size_t)(end - domain));
    if (!path)
        path = end;
    if (!trust_domain_valid(domain, (size_t)(path - domain)))
        return error_set(err, "the URI's trust domain is not " TRUST_DOMAIN_EXPECTED);
    if (path < end) {
        if ((size_t)(end - path) < strlen(INSTANCE) ||
            memcmp(path, INSTANCE, strlen(INSTANCE)) != 0)
            return error_set(err,
                             "the URI is not of the form " SCHEME "TRUST-DOMAIN" INSTANCE "NAME");
        name = path + strlen(INSTANCE);
        if (!name_valid(name, (size_t)(end - name)))
            return error_set(err, "the URI's instance is not " NAME_EXPECTED);
    }
    memset(out, 0, sizeof(*out));
    memcpy(out->trust_domain, domain, (size_t)(path - domain));
    memcpy(out->instance, name, (size_t)(end - name));
    return 0;
}

void spiffe_format(const struct spiffe_id *id, char *out, size_t size)
{
    snprintf(out, size, SCHEME "%s%s%s", id->trust_domain, *id->instance ? INSTANCE : "",
             id->instance);
}
