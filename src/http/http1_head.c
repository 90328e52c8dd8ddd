#include "http1_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "target.h"

/* A piece of the head. */
struct piece {
    const char *at;
    size_t length;
};

static bool piece_is(struct piece piece, const char *text)
{
    return piece.length == strlen(text) && memcmp(piece.at, text, piece.length) == 0;
}

/* What stands before the first `mark`, which is taken away with it. False: there is no mark. */
static bool take_until(struct piece *rest, const char *mark, struct piece *out)
{
    size_t length = strlen(mark);
    const char *found = memmem(rest->at, rest->length, mark, length);

    if (!found) {
        return false;
    }
    *out = (struct piece){rest->at, (size_t)(found - rest->at)};
    rest->length -= out->length + length;
    rest->at = found + length;
    return true;
}

static struct piece trimmed(struct piece piece)
{
    while (piece.length > 0 && (piece.at[0] == ' ' || piece.at[0] == '\t')) {
        piece.at++;
        piece.length--;
    }
    while (piece.length > 0 &&
           (piece.at[piece.length - 1] == ' ' || piece.at[piece.length - 1] == '\t')) {
        piece.length--;
    }
    return piece;
}

/* The absolute form, which a client that talks to a proxy uses, says more than is asked for. */
static struct piece without_origin(struct piece target)
{
    static const char scheme[] = "http://";
    size_t length = strlen(scheme);

    if (target.length <= length || strncasecmp(target.at, scheme, length) != 0) {
        return target;
    }
    target.at += length;
    target.length -= length;
    while (target.length > 0 && !strchr("/?#", target.at[0])) {
        target.at++;
        target.length--;
    }
    return target.length > 0 ? target : (struct piece){"/", 1};
}

static bool set_target(struct http1_head *out, struct piece target)
{
    target = without_origin(target);
    out->path = target_parse(target.at, target.length, &out->query);
    return out->path != NULL;
}

static bool set_method(struct http1_head *out, struct piece method)
{
    if (method.length >= METHOD_SIZE || !field_name_valid(method.at, method.length)) {
        return false;
    }
    out->is_head = piece_is(method, "HEAD");
    snprintf(out->method, sizeof out->method, "%.*s", (int)method.length,
             out->is_head ? "GET" : method.at);
    return true;
}

static unsigned parse_request_line(struct piece line, struct http1_head *out, const char **why)
{
    struct piece method;
    struct piece target;

    *why = "the request line is not METHOD PATH HTTP/1.1";
    if (!take_until(&line, " ", &method) || !take_until(&line, " ", &target) ||
        !set_method(out, method)) {
        return 400;
    }
    if (line.length != 8 || memcmp(line.at, "HTTP/", 5) != 0) {
        return 400;
    }
    out->old = piece_is(line, "HTTP/1.0");
    if (!out->old && !piece_is(line, "HTTP/1.1")) {
        *why = "only HTTP/1.1 and HTTP/1.0 are spoken here";
        return 505;
    }
    if (!set_target(out, target)) {
        *why = "the request's target is not a path";
        return 400;
    }
    return 0;
}

static unsigned parse_field(struct piece line, struct fields *fields, const char **why)
{
    struct piece name;
    struct piece value;

    if (!take_until(&line, ":", &name) || !field_name_valid(name.at, name.length)) {
        *why = "a header field has no name, or one that is not allowed";
        return 400;
    }
    value = trimmed(line);
    if (fields->count >= FIELDS_MAX) {
        *why = "there are too many header fields";
        return 431;
    }
    if (!fields_add(fields, name.at, name.length, value.at, value.length)) {
        *why = "a header field's value holds what is not allowed";
        return 400;
    }
    return 0;
}

static bool parse_length(const char *text, uint64_t *out)
{
    *out = 0;
    if (*text == '\0' || strlen(text) > 18) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        *out = *out * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

/* RFC 9112, section 6.3, and for what is in doubt section 11.2: not to be guessed. */
static unsigned find_length(const struct fields *fields, struct http1_head *out, const char **why)
{
    const char *coding = fields_find(fields, "transfer-encoding");
    const char *length = fields_find(fields, "content-length");

    *why = "it is not clear how long the request's body is";
    if (fields_count_of(fields, "transfer-encoding") + fields_count_of(fields, "content-length") >
        1) {
        return 400;
    }
    if (coding && out->old) {
        return 400;
    }
    if (coding && strcasecmp(coding, "chunked") != 0) {
        *why = "the only transfer coding understood here is chunked";
        return 501;
    }
    if (length && !parse_length(length, &out->length)) {
        return 400;
    }
    out->chunked = coding != NULL;
    return 0;
}

/* Is `word` in a list with commas? */
static bool lists(const char *list, const char *word)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        struct piece item = trimmed((struct piece){list, length});
        if (item.length == strlen(word) && strncasecmp(item.at, word, item.length) == 0) {
            return true;
        }
        list += length + (list[length] == ',');
    }
    return false;
}

/* Several fields of that name are one list: RFC 9110, section 5.3. */
static bool wants_close(const struct fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        if (strcasecmp(fields->all[i].name, "connection") == 0 &&
            lists(fields->all[i].value, "close")) {
            return true;
        }
    }
    return false;
}

static unsigned understand(const struct fields *fields, struct http1_head *out, const char **why)
{
    const char *expected = fields_find(fields, "expect");
    unsigned hosts = fields_count_of(fields, "host");
    unsigned status = find_length(fields, out, why);

    if (status != 0) {
        return status;
    }
    if (hosts > 1 || (hosts == 0 && !out->old)) {
        *why = "there must be exactly one Host field";
        return 400;
    }
    if (fields_count_of(fields, "authorization") > 1) {
        *why = "there is more than one Authorization field";
        return 400;
    }
    if (expected && strcasecmp(expected, "100-continue") != 0) {
        *why = "what the request expects is not understood here";
        return 417;
    }
    out->expects = expected && !out->old && (out->chunked || out->length > 0);
    out->close = out->old || wants_close(fields);
    return 0;
}

unsigned http1_head_parse(const char *data, size_t size, struct http1_head *out, const char **why)
{
    struct piece rest = {data, size};
    struct piece line;
    unsigned status;

    *out = (struct http1_head){0};
    *why = "the request has no first line";
    if (!take_until(&rest, "\r\n", &line)) {
        return 400;
    }
    status = parse_request_line(line, out, why);
    while (status == 0 && take_until(&rest, "\r\n", &line) && line.length > 0) {
        status = parse_field(line, &out->fields, why);
    }
    return status != 0 ? status : understand(&out->fields, out, why);
}

void http1_head_clear(struct http1_head *head)
{
    fields_clear(&head->fields);
    free(head->path);
    *head = (struct http1_head){0};
}
