/* The head of an HTTP/1 request, taken apart (RFC 9112, sections 2 to 7). Pure: it is handed the
 * bytes. It refuses what two programs might read differently. Private to src/http. */
#ifndef APPNET_HTTP_HTTP1_HEAD_H
#define APPNET_HTTP_HTTP1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fields.h"

#define METHOD_SIZE 16

/* All zero: empty. */
struct http1_head {
    char method[METHOD_SIZE]; /* HEAD is shown as GET */
    bool is_head;
    char *path;  /* begins with a slash */
    char *query; /* behind it in the same memory; empty if there is none */
    struct fields fields;
    bool old;     /* HTTP/1.0 */
    bool close;   /* the connection ends with it */
    bool chunked; /* else `length` bytes of body */
    uint64_t length;
    bool expects; /* the client waits to be told that the body is welcome */
};

/* `size` bytes, the empty line at the end included; *out is to be cleared in any case. Returns 0,
 * or the status to refuse the request with and a sentence in *why. */
unsigned http1_head_parse(const char *data, size_t size, struct http1_head *out, const char **why);

void http1_head_clear(struct http1_head *head);

#endif
