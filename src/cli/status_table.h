/* A sidecar's status for people. */
#ifndef APPNET_CLI_STATUS_TABLE_H
#define APPNET_CLI_STATUS_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* Writes the JSON of GET /status as sections with aligned columns. What is missing is shown as "-".
 */
void status_table_print(const json_t *status, FILE *out);

#endif
