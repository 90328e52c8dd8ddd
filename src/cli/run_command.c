/* Sidecar and application as one: what a container starts, and waits for. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appnet/base/duration.h"
#include "appnet/base/file.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/cli/command.h"
#include "appnet/config/config.h"
#include "child.h"
#include "outbound_environment.h"
#include "progress.h"
#include "readiness.h"

#define SIDECAR_PROGRAM "appnet-sidecar"

#define SECOND 1000000LL
#define PAUSE (SECOND / 20)
#define ASK_TIMEOUT 1000        /* milliseconds; signals wait as long at the most */
#define GRACE (10 * SECOND)     /* an application has when its sidecar is gone */
#define DRAIN_MORE (5 * SECOND) /* a sidecar has beyond its own drain_timeout */

struct run {
    const struct config *config;
    const char *const *argv;
    char *program; /* the application's file */
    sigset_t watched;
    sigset_t before; /* the mask we were started with */
    struct progress progress;
    pid_t sidecar;     /* 0: it is not running */
    pid_t application; /* likewise */
    int sidecar_status, application_status;
    int told; /* the signal that told us to end; 0: none */
};

static void say(struct run *run, const char *what, const char *more)
{
    progress_end(&run->progress);
    fprintf(stderr, "appnet: %s%s\n", what, more);
}

/* All but those that a program raises by its own fault, and those by which a terminal stops it. */
static void watch_signals(struct run *run)
{
    static const int left_alone[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT,
                                     SIGTRAP, SIGTSTP, SIGTTIN, SIGTTOU, SIGSYS};

    signal(SIGCHLD, SIG_DFL); /* if it is ignored, nothing is heard of children */
    sigfillset(&run->watched);
    for (size_t i = 0; i < sizeof left_alone / sizeof left_alone[0]; i++) {
        sigdelset(&run->watched, left_alone[i]);
    }
    sigprocmask(SIG_BLOCK, &run->watched, &run->before);
}

/* Takes every child that has ended, orphans of others included: we may be the process that all are
 * left to. */
static void reap(struct run *run)
{
    int status;
    pid_t ended;

    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended == run->sidecar) {
            run->sidecar = 0;
            run->sidecar_status = status;
        } else if (ended == run->application) {
            run->application = 0;
            run->application_status = status;
        }
    }
}

static bool is_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
}

/* Passes a signal on to the application. What is typed at the terminal has reached it already, as
 * long as it is in our process group. */
static void pass_on(const struct run *run, const siginfo_t *signal)
{
    bool for_us = signal->si_signo == SIGCHLD || signal->si_signo == SIGPIPE;

    if (!run->application || for_us) {
        return;
    }
    if (signal->si_code != SI_KERNEL || getpgid(run->application) != getpgrp()) {
        kill(run->application, signal->si_signo);
    }
}

/* Waits for one signal, for `microseconds` at the most, and takes the children that have ended.
 * Returns its number, or 0. */
static int next_signal(struct run *run, int64_t microseconds, siginfo_t *signal)
{
    struct timespec limit = {.tv_sec = microseconds / SECOND,
                             .tv_nsec = microseconds % SECOND * 1000};
    int number = sigtimedwait(&run->watched, signal, &limit);

    reap(run);
    if (number > 0 && is_end(number)) {
        run->told = number;
    }
    return number > 0 ? number : 0;
}

/* Beside this program, or on PATH. */
static char *find_sidecar(int *code, struct error *err)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    char *path = NULL;
    char *slash;

    if (length > 0) {
        own[length] = '\0';
        slash = strrchr(own, '/');
        path = memory_printf("%.*s/" SIDECAR_PROGRAM, (int)(slash - own), own);
        if (access(path, X_OK) == 0) {
            return path;
        }
        free(path);
    }
    return child_find(SIDECAR_PROGRAM, code, err);
}

static int start_sidecar(struct run *run, struct error *err)
{
    char *const argv[] = {SIDECAR_PROGRAM, "-c", run->config->file, NULL};
    struct child_start start = {.argv = argv, .mask = &run->before, .apart = true};
    int code;
    char *path = find_sidecar(&code, err);
    pid_t child = -1;

    if (path) {
        start.path = path;
        child = child_start(&start, &code, err);
    }
    free(path);
    run->sidecar = child > 0 ? child : 0;
    return child > 0 ? 0 : -1;
}

/* So that the application may ask its sidecar, wherever it goes. */
static void set_sidecar_variable(const struct run *run)
{
    const char *admin = run->config->admin;
    char *folder = admin[0] == '/' ? NULL : realpath(".", NULL);
    char *path = folder ? file_path(folder, admin) : memory_strdup(admin);

    setenv("APPNET_SIDECAR", path, 1);
    free(folder);
    free(path);
}

/* Another sidecar may answer where ours cannot listen: it is not the one that is waited for. */
static enum readiness ask(const struct run *run, json_t **status, char text[READINESS_TEXT_SIZE])
{
    enum readiness readiness = readiness_ask(run->config->admin, ASK_TIMEOUT, status, text);
    json_int_t pid = json_integer_value(json_object_get(*status, "pid"));

    if (readiness == READINESS_UNKNOWN || pid == run->sidecar) {
        return readiness;
    }
    snprintf(text, READINESS_TEXT_SIZE, "another sidecar answers at %s", run->config->admin);
    return READINESS_UNKNOWN;
}

/* Waits until the application can start. Returns 0 with *status, else an exit code. */
static int await_sidecar(struct run *run, int64_t end, const char *timeout, json_t **status,
                         struct error *err)
{
    char text[READINESS_TEXT_SIZE];
    char how[128];
    siginfo_t signal;

    for (;;) {
        enum readiness readiness = ask(run, status, text);
        if (readiness == READINESS_READY) {
            progress_end(&run->progress);
            return 0;
        }
        json_decref(*status);
        *status = NULL;
        progress_show(&run->progress, text);
        next_signal(run, PAUSE, &signal);
        if (run->told) {
            return CHILD_SIGNALLED + run->told;
        }
        if (!run->sidecar) {
            child_describe(run->sidecar_status, how, sizeof how);
            error_set(err, "the sidecar %s before %s was started; what it wrote above says why",
                      how, run->argv[0]);
            return COMMAND_FAILED;
        }
        if (loop_now() >= end) {
            error_set(err, "%s was not started, since what it requires does not work after %s: %s",
                      run->argv[0], timeout, text);
            return COMMAND_FAILED;
        }
    }
}

static int start_application(struct run *run, const json_t *status, struct error *err)
{
    const struct child_start start = {
        .path = run->program, .argv = (char *const *)run->argv, .mask = &run->before};
    pid_t child;
    int code = COMMAND_FAILED;

    if (outbound_environment_set(status, err) != 0) {
        return code;
    }
    set_sidecar_variable(run);
    child = child_start(&start, &code, err);
    run->application = child > 0 ? child : 0;
    return child > 0 ? 0 : code;
}

/* The sidecar is gone while the application runs. */
static void end_application(struct run *run)
{
    char how[128];
    char *text;
    int64_t end = loop_now() + GRACE;
    siginfo_t signal;

    child_describe(run->sidecar_status, how, sizeof how);
    text = memory_printf("%s: %s is ended, too", how, run->argv[0]);
    say(run, "the sidecar ", text);
    free(text);
    kill(run->application, SIGTERM);
    while (run->application && loop_now() < end) {
        if (next_signal(run, PAUSE, &signal) > 0) {
            pass_on(run, &signal);
        }
    }
    if (run->application) {
        say(run, run->argv[0], " does not end: killed");
        kill(run->application, SIGKILL);
    }
    while (run->application) {
        next_signal(run, SECOND, &signal);
    }
}

/* Until the application has ended. Returns the exit code. */
static int accompany(struct run *run)
{
    siginfo_t signal;

    while (run->application) {
        if (next_signal(run, 3600 * SECOND, &signal) > 0) {
            pass_on(run, &signal);
        }
        /* Told to end, whoever told us may have told the sidecar, too, and the application goes on
         * for as long as it needs. */
        if (!run->sidecar && run->application && !run->told) {
            end_application(run);
            return COMMAND_FAILED;
        }
    }
    return child_code(run->application_status);
}

/* The sidecar lets what is still open come to its end. Told again, it ends at once. */
static void end_sidecar(struct run *run)
{
    int64_t end = loop_now() + run->config->drain_timeout * SECOND + DRAIN_MORE;
    siginfo_t signal;

    if (run->sidecar) {
        kill(run->sidecar, SIGTERM);
    }
    while (run->sidecar && loop_now() < end) {
        int number = next_signal(run, PAUSE, &signal);
        if (is_end(number) && run->sidecar) {
            kill(run->sidecar, SIGTERM);
        }
    }
    if (run->sidecar) {
        say(run, "the sidecar does not end", ": killed");
        kill(run->sidecar, SIGKILL);
    }
    while (run->sidecar) {
        next_signal(run, SECOND, &signal);
    }
}

static int run_both(struct run *run, int64_t seconds, const char *timeout, struct error *err)
{
    json_t *status = NULL;
    int code = COMMAND_FAILED;

    watch_signals(run);
    progress_begin(&run->progress);
    if (start_sidecar(run, err) == 0) {
        code = await_sidecar(run, loop_now() + seconds * SECOND, timeout, &status, err);
    }
    if (code == 0) {
        code = start_application(run, status, err);
    }
    json_decref(status);
    if (code == 0) {
        code = accompany(run);
    }
    end_sidecar(run);
    progress_end(&run->progress);
    sigprocmask(SIG_SETMASK, &run->before, NULL);
    return code;
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    struct run run = {.argv = (const char *const *)arguments->rest};
    struct config *config;
    int64_t seconds;
    int code;

    if (duration_parse(arguments->options[1], &seconds, err) != 0) {
        error_prefix(err, "--timeout %s", arguments->options[1]);
        return COMMAND_USAGE;
    }
    run.program = child_find(run.argv[0], &code, err);
    if (!run.program) {
        return code;
    }
    config = config_load(arguments->options[0], err);
    if (config) {
        run.config = config;
        code = run_both(&run, seconds, arguments->options[1], err);
    } else {
        code = COMMAND_FAILED;
    }
    config_free(config);
    free(run.program);
    return code;
}

const struct command run_command = {
    .words = "run",
    .text =
        "Runs a sidecar and an application as one. When every required outbound works, it starts "
        "the command, with the addresses of its outbounds in APPNET_OUTBOUND_NAME, "
        "APPNET_OUTBOUND_NAME_HOST and APPNET_OUTBOUND_NAME_PORT; it passes signals on to it, "
        "gives its exit status, and ends the sidecar after it.",
    .rest = "COMMAND ARGS...",
    .options =
        {
            {.name = "c", .value = "FILE", .text = "the sidecar's configuration", .required = true},
            {.name = "timeout",
             .value = "TIME",
             .text = "how long to wait for the required outbounds: " DURATION_EXPECTED,
             .fallback = "60s"},
        },
    .run = run,
};
