#include "appnet/identity/spiffe.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "spiffe://"
#define INSTANCE "/instance/"
#define REGISTRY "/registry"

/* Whether the path, of `length` bytes, is the registry's; else *name is where the instance's name
 * begins. */
static int parse_path(const char *path, size_t length, bool *is_registry, const char **name,
                      struct error *err)
{
    *is_registry = length == strlen(REGISTRY) && memcmp(path, REGISTRY, length) == 0;
    if (*is_registry) {
        *name = path + length;
        return 0;
    }
    if (length < strlen(INSTANCE) || memcmp(path, INSTANCE, strlen(INSTANCE)) != 0) {
        return error_set(err, "the URI is not of the form " SCHEME "TRUST-DOMAIN" INSTANCE "NAME");
    }
    *name = path + strlen(INSTANCE);
    if (!name_valid(*name, length - strlen(INSTANCE))) {
        return error_set(err, "the URI's instance is not " NAME_EXPECTED);
    }
    return 0;
}

int spiffe_parse(const char *text, size_t length, struct spiffe_id *out, struct error *err)
{
    const char *end = text + length;
    const char *domain = text + strlen(SCHEME);
    const char *path;
    const char *name = end;
    bool is_registry = false;

    if (length < strlen(SCHEME) || memcmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return error_set(err, "the URI does not begin with " SCHEME);
    }
    path = memchr(domain, '/', (size_t)(end - domain));
    if (!path) {
        path = end;
    }
    if (!trust_domain_valid(domain, (size_t)(path - domain))) {
        return error_set(err, "the URI's trust domain is not " TRUST_DOMAIN_EXPECTED);
    }
    if (path < end && parse_path(path, (size_t)(end - path), &is_registry, &name, err) != 0) {
        return -1;
    }
    memset(out, 0, sizeof *out);
    memcpy(out->trust_domain, domain, (size_t)(path - domain));
    memcpy(out->instance, name, (size_t)(end - name));
    out->is_registry = is_registry;
    return 0;
}

bool spiffe_equal(const struct spiffe_id *a, const struct spiffe_id *b)
{
    return strcmp(a->trust_domain, b->trust_domain) == 0 && strcmp(a->instance, b->instance) == 0 &&
           a->is_registry == b->is_registry;
}

void spiffe_format(const struct spiffe_id *id, char *out, size_t size)
{
    if (id->is_registry) {
        snprintf(out, size, SCHEME "%s" REGISTRY, id->trust_domain);
        return;
    }
    snprintf(out, size, SCHEME "%s%s%s", id->trust_domain, *id->instance ? INSTANCE : "",
             id->instance);
}
