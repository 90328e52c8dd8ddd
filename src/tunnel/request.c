#include "appnet/tunnel/request.h"

#include <stdio.h>
#include <string.h>

/* Takes the bytes up to `end` as a name, if they are one. */
static bool take_name(const char **at, const char *end, char out[NAME_SIZE])
{
    size_t length = (size_t)(end - *at);

    if (!name_valid(*at, length)) {
        return false;
    }
    memcpy(out, *at, length);
    out[length] = '\0';
    *at = end + 1;
    return true;
}

static bool parse_port(const char *text, const char *end, uint16_t *out)
{
    unsigned value = 0;

    if (text == end || end - text > 5 || *text == '0') {
        return false;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
    }
    *out = (uint16_t)value;
    return value <= UINT16_MAX;
}

bool request_parse_authority(const char *text, size_t length, struct stream_request *out)
{
    const char *end = text + length;
    const char *at = text;
    const char *dot = memchr(at, '.', length);
    const char *colon = memrchr(text, ':', length);
    size_t domain_length;

    if (!dot || !colon || !take_name(&at, dot, out->inbound)) {
        return false;
    }
    dot = memchr(at, '.', (size_t)(end - at));
    if (!dot || dot > colon || !take_name(&at, dot, out->instance)) {
        return false;
    }
    domain_length = (size_t)(colon - at);
    if (!trust_domain_valid(at, domain_length)) {
        return false;
    }
    memcpy(out->trust_domain, at, domain_length);
    out->trust_domain[domain_length] = '\0';
    return parse_port(colon + 1, end, &out->port);
}

size_t request_format_authority(const struct stream_request *request, char *out, size_t size)
{
    int n = snprintf(out, size, "%s.%s.%s:%u", request->inbound, request->instance,
                     request->trust_domain, request->port);

    return n < 0 ? 0 : (size_t)n;
}
