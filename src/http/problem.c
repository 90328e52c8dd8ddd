#include "problem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "appnet/base/log.h"
#include "appnet/base/loop.h"
#include "appnet/http/exchange.h"

const struct problem problem_body_too_large = {413, "body-too-large",
                                               "the request's body is longer than 1 MiB"};
const struct problem problem_headers_too_large = {
    431, "headers-too-large", "the request's head is longer than 8 KiB, or has too many fields"};
const struct problem problem_busy = {503, "busy",
                                     "too many requests are coming in at once: try again"};
const struct problem problem_timeout = {408, "timeout",
                                        "the request did not come within 10 seconds"};

struct problem problem_malformed(unsigned status, const char *detail)
{
    return (struct problem){status, "malformed", detail};
}

size_t problem_format(char out[PROBLEM_SIZE], const struct problem *problem)
{
    snprintf(out, PROBLEM_SIZE,
             "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"code\":\"%s\","
             "\"detail\":\"%s\"}",
             http_status_text(problem->status), problem->status, problem->code, problem->detail);
    return strlen(out);
}

void problem_log(struct rate_limit *limit, const char *client, const struct problem *problem)
{
    uint64_t left_out = 0;

    if (rate_limit_take(limit, loop_now(), &left_out)) {
        log_info("request refused", LOG_S("client", client), LOG_I("status", problem->status),
                 LOG_S("detail", problem->detail), LOG_I("left_out", left_out));
    }
}

void problem_date(char out[HTTP_DATE_SIZE])
{
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    strftime(out, HTTP_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } names[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].status == status) {
            return names[i].text;
        }
    }
    return "";
}
