/* The web page: files that were built into the program, and how a browser gets them. */
#ifndef APPNET_REGISTRY_PAGE_H
#define APPNET_REGISTRY_PAGE_H

#include <stddef.h>

#include "appnet/http/exchange.h"

/* One file. contrib/page-embed.sh writes these. */
struct page_file {
    const char *path;   /* as a request names it: "/", "/assets/index-4f2a.js" */
    const char *type;   /* "text/html; charset=utf-8" */
    const char *digest; /* of its content, for the entity tag */
    const char *plain;
    size_t plain_size;
    const char *gzip; /* the same, compressed; NULL: that would not make it smaller */
    size_t gzip_size;
};

struct page {
    const struct page_file *files;
    unsigned count;
};

/* What this program was built with. */
extern const struct page page_built_in;

/* The file of that path, byte by byte; NULL: there is none. */
const struct page_file *page_find(const struct page *page, const char *path);

/* Answers a GET (RFC 9110): compressed if the request takes that, 304 if the browser has it, and
 * with the headers that keep everything out that is not from here. What is below /assets/ has its
 * digest in its name and is never asked for again. */
void page_serve(const struct page_file *file, struct http_exchange *exchange);

#endif
