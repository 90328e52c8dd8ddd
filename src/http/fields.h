/* Header fields (RFC 9110, section 5): names in any case, values without what would break a line.
 * Private to src/http. */
#ifndef APPNET_HTTP_FIELDS_H
#define APPNET_HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* Of a request or of an answer, at the most. */
#define FIELDS_MAX 100

struct field {
    char *name, *value;
};

/* All zero: empty. */
struct fields {
    struct field *all;
    unsigned count, room;
};

/* Is it a token (RFC 9110, section 5.6.2)? */
bool field_name_valid(const char *name, size_t length);

/* No control characters but the tab, nothing blank at either end. */
bool field_value_valid(const char *value, size_t length);

/* Copies both; false, with nothing added, when there are FIELDS_MAX already or one is not valid. */
bool fields_add(struct fields *fields, const char *name, size_t name_length, const char *value,
                size_t value_length);

/* The first of that name, in any case, or NULL. */
const char *fields_find(const struct fields *fields, const char *name);

unsigned fields_count_of(const struct fields *fields, const char *name);

void fields_clear(struct fields *fields);

#endif
