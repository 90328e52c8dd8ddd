/* What commands print. */
#ifndef APPNET_CLI_OUTPUT_H
#define APPNET_CLI_OUTPUT_H

#include <jansson.h>

/* Prints a value on one line and drops the reference; NULL, for want of memory, prints nothing. */
void output_json(json_t *value);

/* Prints a text as it is, with a line feed behind it unless it ends in one. */
void output_text(const char *text);

#endif
