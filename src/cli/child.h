/* Programs that `appnet run` starts. */
#ifndef APPNET_CLI_CHILD_H
#define APPNET_CLI_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "appnet/base/error.h"

/* As shells have it. */
enum { CHILD_NOT_EXECUTABLE = 126, CHILD_NOT_FOUND = 127, CHILD_SIGNALLED = 128 };

/* The file that a command's name stands for: itself if there is a slash in it, else the first of
 * that name on PATH that may be executed. The caller frees it; NULL with *code one of the above. */
char *child_find(const char *name, int *code, struct error *err);

struct child_start {
    const char *path;     /* as child_find gave it */
    char *const *argv;    /* with the name, ended by NULL */
    const sigset_t *mask; /* the signals that are blocked in it */
    bool apart; /* in a process group of its own, without input, and its output goes to our
                   standard error: what is typed at the terminal is not for it */
};

/* Starts it. Signals that are ignored stay so, as nohup wants it. When we die, it is told to end.
 * Returns its process, or -1 with *code as above. */
pid_t child_start(const struct child_start *start, int *code, struct error *err);

/* The exit code that tells of the status of wait(2): the program's own, or 128 and the signal's
 * number. */
int child_code(int status);

/* "ended with exit status 3", "was ended by signal 9 (Killed)" */
void child_describe(int status, char *out, size_t size);

#endif
