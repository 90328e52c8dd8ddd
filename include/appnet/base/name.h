/* Names of instances, interfaces and trust domains. */
#ifndef APPNET_BASE_NAME_H
#define APPNET_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE 64          /* 63 characters and the zero */
#define TRUST_DOMAIN_SIZE 256 /* 255 characters and the zero */

#define NAME_EXPECTED "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
#define TRUST_DOMAIN_EXPECTED                                                                     \
    "a name such as shop.example: 1 to 255 of a-z, 0-9, . and -, each part beginning and ending " \
    "with a letter or digit"

/* [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])? over exactly `length` bytes. */
bool name_valid(const char *text, size_t length);

/* Labels as in name_valid, joined by dots, 255 bytes at most. */
bool trust_domain_valid(const char *text, size_t length);

#endif
