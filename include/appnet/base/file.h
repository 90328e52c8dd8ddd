/* Whole files: read with a limit, written so that a reader sees the old or the new one, never half
 * of one. */
#ifndef APPNET_BASE_FILE_H
#define APPNET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "appnet/base/error.h"

/* Reads a file of at most `limit` bytes. *out is malloc'ed with a zero byte after the content (not
 * counted in *size); the caller frees it, after secret_wipe if it is a secret. */
int file_read(const char *path, size_t limit, char **out, size_t *size, struct error *err);

/* As file_read, and refuses a file that others than its owner may read (mode & 077). For private
 * keys. */
int file_read_secret(const char *path, size_t limit, char **out, size_t *size, struct error *err);

/* Whether others than its owner may read it; false if it is not there. */
bool file_is_exposed(const char *path);

/* Writes to a temporary file beside `path`, syncs and renames. The mode is set before the first
 * byte is written. With exclusive, fails if `path` exists already, without touching it. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, bool exclusive,
               struct error *err);

/* Makes the file if it is not there, and locks it until *lock is closed or the process ends. If
 * another process has it locked, fails with the sentence `taken`. */
int file_lock(const char *path, const char *taken, int *lock, struct error *err);

/* Syncs the folder that `path` is in, so that a new name in it outlives a power cut. */
int file_sync_folder(const char *path, struct error *err);

/* Makes the folder and its missing parents; an existing one is fine. */
int file_make_folder(const char *path, mode_t mode, struct error *err);

/* Joins folder and name with one slash; `name` that starts with a slash is returned alone.
 * malloc'ed. */
char *file_path(const char *folder, const char *name);

#endif
