/* What a door answers by itself, without asking its handler: problem+json (RFC 9457). Private to
 * src/http. */
#ifndef APPNET_HTTP_PROBLEM_H
#define APPNET_HTTP_PROBLEM_H

#include <stddef.h>

#define PROBLEM_TYPE "application/problem+json"
#define PROBLEM_SIZE 512
#define HTTP_DATE_SIZE 32

/* `code` and `detail` are constants without anything to escape. Returns the length. */
size_t problem_format(char out[PROBLEM_SIZE], unsigned status, const char *code,
                      const char *detail);

/* Now, as HTTP writes it (RFC 9110, section 5.6.7). */
void problem_date(char out[HTTP_DATE_SIZE]);

#endif
