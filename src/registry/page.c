#include "appnet/registry/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TAG_SIZE 80
#define ASSETS "/assets/"

/* Code and styles only from here and never inline, nothing from or to anywhere else, no frames. */
#define POLICY                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "      \
    "frame-ancestors 'none'; require-trusted-types-for 'script'"

const struct page_file *page_find(const struct page *page, const char *path)
{
    for (unsigned i = 0; i < page->count; i++) {
        if (strcmp(page->files[i].path, path) == 0) {
            return &page->files[i];
        }
    }
    return NULL;
}

/* Whether a weight such as "q=0.0" says never (RFC 9110, section 12.4.2). */
static bool is_never(const char *parameters, size_t length)
{
    const char *at = memchr(parameters, '=', length);
    size_t left = at ? length - (size_t)(at + 1 - parameters) : 0;

    return left > 0 && at[1] == '0' && strspn(at + 1, "0. \t") >= left;
}

/* Whether Accept-Encoding (RFC 9110, section 12.5.3) lets the answer be compressed. */
static bool takes_gzip(const char *list)
{
    bool any = false;

    while (list && *list) {
        size_t length;
        size_t name;
        list += strspn(list, " \t,");
        length = strcspn(list, ",");
        name = strcspn(list, "; \t,");
        if (name == 4 && strncasecmp(list, "gzip", name) == 0) {
            return !is_never(list + name, length - name);
        }
        if (name == 1 && *list == '*') {
            any = !is_never(list + name, length - name);
        }
        list += length;
    }
    return any;
}

/* RFC 9110, section 13.1.2. The tag is compared with its quotes, so no part of another one fits. */
static bool has_it(const char *tags, const char *tag)
{
    return tags && (strcmp(tags, "*") == 0 || strstr(tags, tag) != NULL);
}

static void set_headers(const struct page_file *file, const char *tag,
                        struct http_exchange *exchange)
{
    static const char *const fixed[][2] = {{"Vary", "Accept-Encoding"},
                                           {"Content-Security-Policy", POLICY},
                                           {"X-Content-Type-Options", "nosniff"},
                                           {"X-Frame-Options", "DENY"},
                                           {"Referrer-Policy", "no-referrer"},
                                           {"Cross-Origin-Opener-Policy", "same-origin"},
                                           {"Cross-Origin-Resource-Policy", "same-origin"}};
    bool is_asset = strncmp(file->path, ASSETS, strlen(ASSETS)) == 0;

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        http_exchange_set_header(exchange, fixed[i][0], fixed[i][1]);
    }
    http_exchange_set_header(exchange, "Cache-Control",
                             is_asset ? "public, max-age=31536000, immutable" : "no-cache");
    http_exchange_set_header(exchange, "ETag", tag);
}

void page_serve(const struct page_file *file, struct http_exchange *exchange)
{
    bool compressed = file->gzip && takes_gzip(http_exchange_header(exchange, "accept-encoding"));
    char tag[TAG_SIZE]; /* each form has its own: section 8.8.3.3 */

    snprintf(tag, sizeof tag, "\"%s%s\"", file->digest, compressed ? "-gzip" : "");
    set_headers(file, tag, exchange);
    if (has_it(http_exchange_header(exchange, "if-none-match"), tag)) {
        http_exchange_answer(exchange, 304, NULL, NULL, 0);
        return;
    }
    if (compressed) {
        http_exchange_set_header(exchange, "Content-Encoding", "gzip");
        http_exchange_answer(exchange, 200, file->type, file->gzip, file->gzip_size);
    } else {
        http_exchange_answer(exchange, 200, file->type, file->plain, file->plain_size);
    }
}
