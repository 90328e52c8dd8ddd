#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void output_json(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);

    if (text) {
        puts(text);
    }
    free(text);
    json_decref(value);
}

void output_text(const char *text)
{
    size_t length = strlen(text);

    fputs(text, stdout);
    if (length == 0 || text[length - 1] != '\n') {
        putchar('\n');
    }
}
