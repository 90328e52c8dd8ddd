#include "fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "appnet/base/memory.h"

static bool is_token_character(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool field_name_valid(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_token_character((unsigned char)name[i])) {
            return false;
        }
    }
    return length > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool field_value_valid(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return length == 0 || (!is_blank(value[0]) && !is_blank(value[length - 1]));
}

static char *copy(const char *text, size_t length)
{
    char *out = memory_zalloc(length + 1);

    memcpy(out, text, length);
    return out;
}

bool fields_add(struct fields *fields, const char *name, size_t name_length, const char *value,
                size_t value_length)
{
    if (fields->count >= FIELDS_MAX || !field_name_valid(name, name_length) ||
        !field_value_valid(value, value_length)) {
        return false;
    }
    if (fields->count == fields->room) {
        fields->room = fields->room ? 2 * fields->room : 8;
        fields->all = memory_grow(fields->all, fields->room, sizeof *fields->all);
    }
    fields->all[fields->count++] =
        (struct field){.name = copy(name, name_length), .value = copy(value, value_length)};
    return true;
}

const char *fields_find(const struct fields *fields, const char *name)
{
    for (unsigned i = 0; i < fields->count; i++) {
        if (strcasecmp(fields->all[i].name, name) == 0) {
            return fields->all[i].value;
        }
    }
    return NULL;
}

unsigned fields_count_of(const struct fields *fields, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fields->count; i++) {
        count += strcasecmp(fields->all[i].name, name) == 0;
    }
    return count;
}

void fields_clear(struct fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        free(fields->all[i].name);
        free(fields->all[i].value);
    }
    free(fields->all);
    *fields = (struct fields){0};
}
