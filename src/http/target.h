/* What a request is about: the target in its origin form (RFC 9112, section 3.2.1; RFC 9113,
 * section 8.3.1, `:path`). Pure. Private to src/http. */
#ifndef APPNET_HTTP_TARGET_H
#define APPNET_HTTP_TARGET_H

#include <stddef.h>

/* A copy of the path, from malloc, as it came, percent signs and all; *query is in it, too, and
 * empty if there is none. NULL: it does not begin with a slash, or holds what no target may. */
char *target_parse(const char *text, size_t length, char **query);

#endif
