#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appnet/base/memory.h"

static int code_of(int reason)
{
    return reason == ENOENT || reason == ENOTDIR ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE;
}

static bool is_program(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        errno = EACCES;
        return false;
    }
    return access(path, X_OK) == 0;
}

static char *search(const char *name, int *reason)
{
    const char *folders = getenv("PATH");

    *reason = ENOENT;
    for (const char *at = folders ? folders : "/usr/local/bin:/usr/bin:/bin"; at;) {
        size_t length = strcspn(at, ":");
        char *path = length > 0 ? memory_printf("%.*s/%s", (int)length, at, name)
                                : memory_printf("./%s", name);
        if (is_program(path)) {
            return path;
        }
        if (errno == EACCES) {
            *reason = EACCES;
        }
        free(path);
        at = at[length] == ':' ? at + length + 1 : NULL;
    }
    return NULL;
}

char *child_find(const char *name, int *code, struct error *err)
{
    char *path = NULL;
    int reason = 0;

    if (!strchr(name, '/')) {
        path = search(name, &reason);
    } else if (is_program(name)) {
        path = memory_strdup(name);
    } else {
        reason = errno;
    }
    if (!path) {
        *code = code_of(reason);
        error_set_errno(err, reason, "cannot run %s", name);
    }
    return path;
}

/* Between fork and exec. */
static void become(const struct child_start *start, pid_t parent)
{
    int null;

    if (start->apart) {
        setpgid(0, 0);
        null = open("/dev/null", O_RDONLY);
        dup2(null, STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        /* Not of the terminal's foreground group, it may write there all the same. */
        signal(SIGTTOU, SIG_IGN);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(CHILD_SIGNALLED + SIGTERM);
    }
    sigprocmask(SIG_SETMASK, start->mask, NULL);
    execv(start->path, start->argv);
    if (errno == ENOEXEC) {
        /* A script that does not say by what it is run. */
        execvp(start->path, start->argv);
    }
}

/* The child's errno, or 0: it has become the other program, which has closed the pipe. */
static int read_reason(int fd)
{
    int reason = 0;
    ssize_t got;

    do {
        got = read(fd, &reason, sizeof reason);
    } while (got < 0 && errno == EINTR);
    return got == sizeof reason ? reason : 0;
}

pid_t child_start(const struct child_start *start, int *code, struct error *err)
{
    pid_t parent = getpid();
    int pipe_ends[2];
    pid_t child;
    int reason;

    *code = CHILD_NOT_EXECUTABLE;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
        return error_set_errno(err, errno, "cannot run %s", start->path);
    }
    child = fork();
    if (child == 0) {
        become(start, parent);
        reason = errno;
        if (write(pipe_ends[1], &reason, sizeof reason) < 0) {
            reason = 0;
        }
        _exit(code_of(reason));
    }
    reason = child < 0 ? errno : 0;
    close(pipe_ends[1]);
    if (child > 0) {
        reason = read_reason(pipe_ends[0]);
    }
    close(pipe_ends[0]);
    if (reason == 0) {
        return child;
    }
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    *code = code_of(reason);
    return error_set_errno(err, reason, "cannot run %s", start->path);
}

int child_code(int status)
{
    return WIFSIGNALED(status) ? CHILD_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_describe(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status)) {
        snprintf(out, size, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(out, size, "ended with exit status %d", WEXITSTATUS(status));
    }
}
