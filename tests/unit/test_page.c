#include "appnet/registry/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "../../src/http/door.h"

static const struct page_file files[] = {
    {"/", "text/html; charset=utf-8", "d1", "<html>", 6, "zipped", 6},
    {"/assets/a-1.js", "text/javascript; charset=utf-8", "d2", "code", 4, "z", 1},
    {"/favicon.svg", "image/svg+xml", "d3", "<svg/>", 6, NULL, 0},
};
static const struct page page = {files, 3};

/* A door with one request, and what was answered. */
static struct {
    struct http_exchange exchange;
    const char *accept, *has; /* Accept-Encoding, If-None-Match */
    char headers[4096];
    unsigned status;
    const char *type;
    char body[64];
    size_t size;
} asked;

static const char *header(const struct http_exchange *exchange, const char *name)
{
    (void)exchange;
    return strcasecmp(name, "accept-encoding") == 0 ? asked.accept
           : strcasecmp(name, "if-none-match") == 0 ? asked.has
                                                    : NULL;
}

static void set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    size_t used = strlen(asked.headers);

    (void)exchange;
    snprintf(asked.headers + used, sizeof asked.headers - used, "%s: %s\n", name, value);
}

static void answer(struct http_exchange *exchange, unsigned status, const char *type,
                   const void *body, size_t size)
{
    (void)exchange;
    asked.status = status;
    asked.type = type;
    asked.size = size;
    if (size > 0) {
        memcpy(asked.body, body, size);
    }
    asked.body[size] = '\0';
}

static const struct door door = {.header = header, .set_header = set_header, .answer = answer};

static void ask(const char *path, const char *accept, const char *has)
{
    memset(&asked, 0, sizeof asked);
    asked.exchange.door = &door;
    asked.accept = accept;
    asked.has = has;
    page_serve(page_find(&page, path), &asked.exchange);
}

static void finds_nothing_but_its_files(void **state)
{
    static const char *const others[] = {"",
                                         "//",
                                         "/.",
                                         "/index.html",
                                         "/assets/",
                                         "/assets",
                                         "/x",
                                         "/assets/A-1.js",
                                         "/assets/a-1.js/",
                                         "/assets/../assets/a-1.js",
                                         "/%2e",
                                         "/favicon.svgx"};

    (void)state;
    for (unsigned i = 0; i < page.count; i++) {
        assert_ptr_equal(page_find(&page, files[i].path), &files[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_null(page_find(&page, others[i]));
    }
}

static void compresses_only_for_those_who_take_it(void **state)
{
    static const char *const yes[] = {
        "gzip",       "GZIP",    "deflate, gzip, br", "br;q=1, gzip;q=0.5", "*",
        "br,*;q=0.1", " , gzip", "gzip ; q=0.001",    "identity;q=0, gzip"};
    static const char *const no[] = {NULL,
                                     "",
                                     "br",
                                     "gzip;q=0",
                                     "gzipp",
                                     "gzip;q=0.000",
                                     "gzip; q=0, *",
                                     "*;q=0",
                                     "x-gzip2",
                                     "identity",
                                     "deflate;q=1.0,gzip;q=0.0"};

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        ask("/", yes[i], NULL);
        assert_string_equal(asked.body, "zipped");
        assert_non_null(strstr(asked.headers, "Content-Encoding: gzip\n"));
        assert_non_null(strstr(asked.headers, "ETag: \"d1-gzip\"\n"));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        ask("/", no[i], NULL);
        assert_string_equal(asked.body, "<html>");
        assert_null(strstr(asked.headers, "Content-Encoding"));
        assert_non_null(strstr(asked.headers, "ETag: \"d1\"\n"));
    }
    ask("/favicon.svg", "gzip", NULL);
    assert_string_equal(asked.body, "<svg/>");
    assert_null(strstr(asked.headers, "Content-Encoding"));
    assert_string_equal(asked.type, "image/svg+xml");
}

static void says_nothing_again_that_the_browser_has(void **state)
{
    (void)state;
    ask("/", "gzip", "\"d1-gzip\"");
    assert_int_equal(asked.status, 304);
    assert_null(asked.type);
    assert_non_null(strstr(asked.headers, "ETag: \"d1-gzip\"\n"));
    assert_non_null(strstr(asked.headers, "Cache-Control: no-cache\n"));
    assert_null(strstr(asked.headers, "Content-Encoding"));
    ask("/", NULL, "W/\"d0\", W/\"d1\"");
    assert_int_equal(asked.status, 304);
    ask("/", NULL, "*");
    assert_int_equal(asked.status, 304);
    ask("/", NULL, "\"d1-gzip\"");
    assert_int_equal(asked.status, 200);
    ask("/", NULL, "d1");
    assert_int_equal(asked.status, 200);
    ask("/", NULL, "\"xd1\"");
    assert_int_equal(asked.status, 200);
}

static void lets_nothing_in_from_elsewhere(void **state)
{
    static const char *const wanted[] = {
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "X-Frame-Options: DENY\n",
        "X-Content-Type-Options: nosniff\n",
        "Referrer-Policy: no-referrer\n",
        "Cross-Origin-Opener-Policy: same-origin\n",
        "Cross-Origin-Resource-Policy: same-origin\n",
        "Vary: Accept-Encoding\n"};

    (void)state;
    for (unsigned i = 0; i < page.count; i++) {
        ask(files[i].path, NULL, NULL);
        for (size_t at = 0; at < sizeof wanted / sizeof wanted[0]; at++) {
            assert_non_null(strstr(asked.headers, wanted[at]));
        }
        assert_null(strstr(asked.headers, "unsafe"));
    }
}

static void only_what_has_its_digest_in_its_name_is_kept(void **state)
{
    (void)state;
    ask("/assets/a-1.js", NULL, NULL);
    assert_non_null(strstr(asked.headers, "Cache-Control: public, max-age=31536000, immutable\n"));
    ask("/", NULL, NULL);
    assert_non_null(strstr(asked.headers, "Cache-Control: no-cache\n"));
    ask("/favicon.svg", NULL, NULL);
    assert_non_null(strstr(asked.headers, "Cache-Control: no-cache\n"));
}

static void what_is_built_in_begins_with_a_page(void **state)
{
    const struct page_file *file = page_find(&page_built_in, "/");

    (void)state;
    assert_non_null(file);
    assert_string_equal(file->type, "text/html; charset=utf-8");
    assert_int_equal(strncasecmp(file->plain, "<!doctype html>", 15), 0);
    assert_null(page_find(&page_built_in, "/index.html"));
    for (unsigned i = 0; i < page_built_in.count; i++) {
        file = &page_built_in.files[i];
        assert_int_equal(file->path[0], '/');
        assert_int_equal(strlen(file->digest), 32);
        assert_true(!file->gzip || file->gzip_size < file->plain_size);
        assert_true(!file->gzip || memcmp(file->gzip, "\x1f\x8b", 2) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest page_tests[] = {
        cmocka_unit_test(finds_nothing_but_its_files),
        cmocka_unit_test(compresses_only_for_those_who_take_it),
        cmocka_unit_test(says_nothing_again_that_the_browser_has),
        cmocka_unit_test(lets_nothing_in_from_elsewhere),
        cmocka_unit_test(only_what_has_its_digest_in_its_name_is_kept),
        cmocka_unit_test(what_is_built_in_begins_with_a_page),
    };

    return cmocka_run_group_tests(page_tests, NULL, NULL);
}
