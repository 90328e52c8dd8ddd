#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "appnet/base/loop.h"
#include "table.h"

#define WIDTH_MAX 400

/* To the beginning of the line, and empty from there. */
#define CLEAR_LINE "\r\033[K"

void progress_begin(struct progress *progress)
{
    progress->shown = false;
    progress->terminal = isatty(STDERR_FILENO) == 1;
    progress->begun = loop_now();
}

static int width_of_terminal(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) {
        return 79;
    }
    return size.ws_col - 1 < WIDTH_MAX ? size.ws_col - 1 : WIDTH_MAX;
}

void progress_show(struct progress *progress, const char *text)
{
    char line[WIDTH_MAX + 1];
    int width = width_of_terminal();

    if (!progress->terminal) {
        return;
    }
    snprintf(line, sizeof line, "%ds  %s", (int)((loop_now() - progress->begun) / 1000000), text);
    line[width] = '\0';
    fputs(CLEAR_LINE, stderr);
    table_put(line, stderr);
    fflush(stderr);
    progress->shown = true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fputs(CLEAR_LINE, stderr);
        fflush(stderr);
        progress->shown = false;
    }
}
