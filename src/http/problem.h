/* What a door answers by itself, without asking its handler: problem+json (RFC 9457). Private to
 * src/http. */
#ifndef APPNET_HTTP_PROBLEM_H
#define APPNET_HTTP_PROBLEM_H

#include <stddef.h>

#include "appnet/base/rate_limit.h"

#define PROBLEM_TYPE "application/problem+json"
#define PROBLEM_SIZE 512
#define HTTP_DATE_SIZE 32

/* Lines of the log, so that who is refused all the time does not fill it. */
#define PROBLEM_LOG_LIMIT RATE_LIMIT_INIT(50, 10)

/* Texts are constants without anything to escape. */
struct problem {
    unsigned status;
    const char *code;
    const char *detail;
};

extern const struct problem problem_body_too_large, problem_headers_too_large, problem_busy,
    problem_timeout;

/* With a status of the parser's and its sentence. */
struct problem problem_malformed(unsigned status, const char *detail);

/* Returns the length. */
size_t problem_format(char out[PROBLEM_SIZE], const struct problem *problem);

/* "request refused", as far as `limit` allows. */
void problem_log(struct rate_limit *limit, const char *client, const struct problem *problem);

/* Now, as HTTP writes it (RFC 9110, section 5.6.7). */
void problem_date(char out[HTTP_DATE_SIZE]);

#endif
