#include "appnet/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"

/* Until the end of the file or `size` bytes. Returns the bytes read, or -1 with errno. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, out + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static int read_open(int fd, const char *path, size_t limit, char **out, size_t *size,
                     struct error *err)
{
    char *content = memory_zalloc(limit + 1);
    ssize_t got = read_all(fd, content, limit + 1);

    if (got >= 0 && (size_t)got <= limit) {
        content[got] = '\0';
        *out = content;
        *size = (size_t)got;
        return 0;
    }
    if (got < 0)
        error_set_errno(err, errno, "cannot read %s", path);
    else
        error_set(err, "%s is longer than %zu bytes", path, limit);
    secret_wipe(content, limit + 1);
    free(content);
    return -1;
}

static int read_checked(const char *path, size_t limit, bool secret, char **out, size_t *size,
                        struct error *err)
{
    /* O_NONBLOCK: a named pipe must not hold up the program. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    int rc;

    if (fd < 0)
        return error_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &status) != 0)
        rc = error_set_errno(err, errno, "cannot read %s", path);
    else if (!S_ISREG(status.st_mode))
        rc = error_set(err, "%s is not a regular file", path);
    else if (secret && (status.st_mode & 077))
        rc = error_set(err, "%s is open to others (mode %04o): chmod 600 it", path,
                       (unsigned)status.st_mode & 07777);
    else
        rc = read_open(fd, path, limit, out, size, err);
    close(fd);
    return rc;
}

int file_read(const char *path, size_t limit, char **out, size_t *size, struct error *err)
{
    return read_checked(path, limit, false, out, size, err);
}

int file_read_secret(const char *path, size_t limit, char **out, size_t *size, struct error *err)
{
    return read_checked(path, limit, true, out, size, err);
}

bool file_is_exposed(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && (status.st_mode & 077) != 0;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* So that the new name outlives a power cut. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        !slash ? memory_strdup(".") : memory_printf("%.*s", (int)(slash - path) + 1, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int reason = errno;

    if (fd >= 0)
        close(fd);
    free(folder);
    errno = reason;
    return rc;
}

/* rename(2) would replace; link(2) does not. */
static int publish(const char *temporary, const char *path, bool exclusive)
{
    if (!exclusive)
        return rename(temporary, path);
    if (link(temporary, path) != 0)
        return -1;
    return unlink(temporary);
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, bool exclusive,
               struct error *err)
{
    char *temporary = memory_printf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int rc = -1;

    if (fd < 0) {
        error_set_errno(err, errno, "cannot write %s", path);
        free(temporary);
        return -1;
    }
    if (fchmod(fd, mode) == 0 && write_all(fd, data, size) == 0 && fsync(fd) == 0 &&
        publish(temporary, path, exclusive) == 0 && sync_folder(path) == 0)
        rc = 0;
    else if (exclusive && errno == EEXIST)
        error_set(err, "%s exists already", path);
    else
        error_set_errno(err, errno, "cannot write %s", path);
    if (rc != 0)
        unlink(temporary);
    close(fd);
    free(temporary);
    return rc;
}

int file_lock(const char *path, const char *taken, int *lock, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_errno(err, errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock = fd;
        return 0;
    }
    if (errno == EWOULDBLOCK)
        error_set(err, "%s", taken);
    else
        error_set_errno(err, errno, "cannot lock %s", path);
    close(fd);
    return -1;
}

int file_sync_folder(const char *path, struct error *err)
{
    return sync_folder(path) == 0 ? 0 : error_set_errno(err, errno, "cannot sync %s", path);
}

static int make_one_folder(const char *path, mode_t mode, struct error *err)
{
    struct stat status;
    int reason;

    if (mkdir(path, mode) == 0)
        return 0;
    reason = errno;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return 0;
    return error_set_errno(err, reason, "cannot make the folder %s", path);
}

int file_make_folder(const char *path, mode_t mode, struct error *err)
{
    char *partial = memory_strdup(path);
    char *next = partial + strspn(partial, "/");
    char *slash;
    int rc;

    do {
        slash = strchr(next, '/');
        if (slash)
            *slash = '\0';
        rc = make_one_folder(partial, mode, err);
        if (slash) {
            *slash = '/';
            next = slash + 1;
        }
    } while (rc == 0 && slash);
    free(partial);
    return rc;
}

char *file_path(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";

    if (name[0] == '/')
        return memory_strdup(name);
    return memory_printf("%s%s%s", folder, slash, name);
}
