#include "alternative_names.h"

#include <arpa/inet.h>
#include <string.h>

#include <mbedtls/asn1write.h>

#define DNS_TAG (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2)
#define ADDRESS_TAG (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7)
#define SEQUENCE_TAG (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define DNS_NAME_MAX 253

size_t alternative_names_size(const struct alternative_names *names)
{
    return (size_t)(names->bytes + sizeof names->bytes - names->start);
}

static int write_one(struct alternative_names *out, unsigned char tag, const void *value,
                     size_t size)
{
    int rc = mbedtls_asn1_write_raw_buffer(&out->start, out->bytes, value, size);

    if (rc >= 0) {
        rc = mbedtls_asn1_write_len(&out->start, out->bytes, size);
    }
    return rc < 0 ? rc : mbedtls_asn1_write_tag(&out->start, out->bytes, tag);
}

static bool dns_name_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "-._");

    return length > 0 && length <= DNS_NAME_MAX && name[length] == '\0' && name[0] != '.' &&
           !strstr(name, "..");
}

static int write_name(struct alternative_names *out, const char *name, struct error *err)
{
    unsigned char address[sizeof(struct in6_addr)];
    int rc;

    if (inet_pton(AF_INET, name, address) == 1) {
        rc = write_one(out, ADDRESS_TAG, address, sizeof(struct in_addr));
    } else if (inet_pton(AF_INET6, name, address) == 1) {
        rc = write_one(out, ADDRESS_TAG, address, sizeof(struct in6_addr));
    } else if (dns_name_valid(name)) {
        rc = write_one(out, DNS_TAG, name, strlen(name));
    } else {
        return error_set(err, "\"%s\" is neither a DNS name nor an address", name);
    }
    return rc < 0 ? crypto_error(err, rc, "cannot write the name %s", name) : 0;
}

int alternative_names_write(struct alternative_names *out, const struct spiffe_id *id,
                            const char *const *names, unsigned count, struct error *err)
{
    char uri[SPIFFE_TEXT_SIZE];
    int rc;

    if (count > AUTHORITY_NAMES_MAX) {
        return error_set(err, "%u names for one certificate: expected %d at most", count,
                         AUTHORITY_NAMES_MAX);
    }
    out->start = out->bytes + sizeof out->bytes;
    for (unsigned i = count; i-- > 0;) {
        if (write_name(out, names[i], err) != 0) {
            return -1;
        }
    }
    spiffe_format(id, uri, sizeof uri);
    rc = write_one(out, ALTERNATIVE_NAME_URI, uri, strlen(uri));
    if (rc >= 0) {
        rc = mbedtls_asn1_write_len(&out->start, out->bytes, alternative_names_size(out));
    }
    if (rc >= 0) {
        rc = mbedtls_asn1_write_tag(&out->start, out->bytes, SEQUENCE_TAG);
    }
    return rc < 0 ? crypto_error(err, rc, "cannot write the names of a certificate") : 0;
}
