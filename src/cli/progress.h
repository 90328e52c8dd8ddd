/* What is being waited for, on a line of the terminal that is written again and again. Where
 * standard error is no terminal nothing is shown. */
#ifndef APPNET_CLI_PROGRESS_H
#define APPNET_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    bool terminal;
    int64_t begun; /* as loop_now */
};

/* Waiting begins. */
void progress_begin(struct progress *progress);

/* Shows the text, and for how long it has been waited; cut where the line ends. */
void progress_show(struct progress *progress, const char *text);

/* Clears the line, so that something else can be said. */
void progress_end(struct progress *progress);

#endif
