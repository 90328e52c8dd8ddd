#include "lossy_vfs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define FILES_MAX 8
#define NAME_MAX_SIZE 256

/* A write, or a truncation if `bytes` is NULL. */
struct change {
    char *bytes;
    size_t offset; /* or the new size */
    size_t size;
};

struct image {
    char name[NAME_MAX_SIZE]; /* without its folder */
    bool exists;
    char *bytes; /* as last synced */
    size_t size;
    struct change *changes; /* since then */
    unsigned change_count;
    unsigned change_room;
};

struct handle {
    sqlite3_file base;
    struct image *image; /* NULL: of no interest */
    sqlite3_file *real;
};

static struct image images[FILES_MAX];
static unsigned image_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the images */
static sqlite3_vfs lossy;
static sqlite3_vfs *real;

/* ---- images ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static struct image *image_of(const char *path)
{
    const char *name = base_name(path);

    for (unsigned i = 0; i < image_count; i++) {
        if (strcmp(images[i].name, name) == 0) {
            return &images[i];
        }
    }
    if (image_count == FILES_MAX) {
        abort();
    }
    images[image_count] = (struct image){0};
    snprintf(images[image_count].name, NAME_MAX_SIZE, "%s", name);
    return &images[image_count++];
}

static void apply(char **bytes, size_t *size, const struct change *change)
{
    size_t end = change->offset + change->size;

    if (!change->bytes) {
        end = change->offset;
    }
    if (end > *size || !change->bytes) {
        *bytes = realloc(*bytes, end + 1);
        if (end > *size) {
            memset(*bytes + *size, 0, end - *size);
        }
        *size = end;
    }
    if (change->bytes) {
        memcpy(*bytes + change->offset, change->bytes, change->size);
    }
}

static void forget_changes(struct image *image)
{
    while (image->change_count > 0) {
        free(image->changes[--image->change_count].bytes);
    }
}

static void note(struct image *image, const void *bytes, size_t size, size_t offset)
{
    struct change *change;

    pthread_mutex_lock(&lock);
    if (image->change_count == image->change_room) {
        image->change_room = image->change_room * 2 + 16;
        image->changes = realloc(image->changes, image->change_room * sizeof *image->changes);
    }
    change = &image->changes[image->change_count++];
    *change = (struct change){.offset = offset, .size = size};
    if (bytes) {
        change->bytes = malloc(size + 1);
        memcpy(change->bytes, bytes, size);
    }
    pthread_mutex_unlock(&lock);
}

static void sync_image(struct image *image)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < image->change_count; i++) {
        apply(&image->bytes, &image->size, &image->changes[i]);
    }
    forget_changes(image);
    pthread_mutex_unlock(&lock);
}

static void write_image(const struct image *image, const char *folder, uint32_t *seed)
{
    char path[2 * NAME_MAX_SIZE];
    char *bytes = malloc(image->size + 1);
    size_t size = image->size;
    FILE *file;

    if (size > 0) {
        memcpy(bytes, image->bytes, size);
    }
    for (unsigned i = 0; i < image->change_count && *seed != 0; i++) {
        *seed = *seed * 1664525 + 1013904223;
        if (*seed >> 31 != 0) {
            apply(&bytes, &size, &image->changes[i]);
        }
    }
    snprintf(path, sizeof path, "%s/%s", folder, image->name);
    file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        abort();
    }
    free(bytes);
}

void lossy_vfs_cut(const char *folder, uint32_t seed)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < image_count; i++) {
        if (images[i].exists) {
            write_image(&images[i], folder, &seed);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* ---- files ---- */

static sqlite3_file *real_file(sqlite3_file *file)
{
    return ((struct handle *)file)->real;
}

static int close_file(sqlite3_file *file)
{
    return real_file(file)->pMethods->xClose(real_file(file));
}

static int read_file(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    return real_file(file)->pMethods->xRead(real_file(file), out, size, offset);
}

static int write_file(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    struct handle *handle = (struct handle *)file;

    if (handle->image) {
        note(handle->image, bytes, (size_t)size, (size_t)offset);
    }
    return real_file(file)->pMethods->xWrite(real_file(file), bytes, size, offset);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *handle = (struct handle *)file;

    if (handle->image) {
        note(handle->image, NULL, 0, (size_t)size);
    }
    return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int sync_file(sqlite3_file *file, int flags)
{
    struct handle *handle = (struct handle *)file;

    (void)flags; /* no test waits for the real disk */
    if (handle->image) {
        sync_image(handle->image);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_file(file)->pMethods->xFileSize(real_file(file), out);
}

static int lock_file(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int unlock_file(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int check_lock(sqlite3_file *file, int *out)
{
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), out);
}

static int control(sqlite3_file *file, int operation, void *argument)
{
    return real_file(file)->pMethods->xFileControl(real_file(file), operation, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

/* Nothing is promised: not that writes come in order, nor that they do not touch what is beside. */
static int characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static int map_shared(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return real_file(file)->pMethods->xShmMap(real_file(file), region, size, extend, out);
}

static int lock_shared(sqlite3_file *file, int offset, int n, int flags)
{
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, n, flags);
}

static void shared_barrier(sqlite3_file *file)
{
    real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static int unmap_shared(sqlite3_file *file, int delete)
{
    return real_file(file)->pMethods->xShmUnmap(real_file(file), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = shared_barrier,
    .xShmUnmap = unmap_shared,
};

/* ---- the file system ---- */

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct handle *handle = (struct handle *)file;
    int rc;

    (void)vfs;
    handle->real = (sqlite3_file *)(handle + 1);
    handle->image = NULL;
    rc = real->xOpen(real, name, handle->real, flags, out);
    handle->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
    if (rc == SQLITE_OK && name &&
        flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) {
        pthread_mutex_lock(&lock);
        handle->image = image_of(name);
        handle->image->exists = true;
        pthread_mutex_unlock(&lock);
    }
    return rc;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct image *image;

    (void)vfs;
    pthread_mutex_lock(&lock);
    image = image_of(name);
    forget_changes(image);
    image->exists = false;
    image->size = 0;
    pthread_mutex_unlock(&lock);
    return real->xDelete(real, name, sync_folder);
}

void lossy_vfs_begin(void)
{
    real = sqlite3_vfs_find(NULL);
    lossy = *real;
    lossy.szOsFile = (int)sizeof(struct handle) + real->szOsFile;
    lossy.zName = "lossy";
    lossy.pNext = NULL;
    lossy.xOpen = open_file;
    lossy.xDelete = delete_file;
    sqlite3_vfs_register(&lossy, 1);
}

void lossy_vfs_hold(void)
{
    sqlite3_vfs_register(real, 1);
}

void lossy_vfs_end(void)
{
    sqlite3_vfs_unregister(&lossy);
    for (unsigned i = 0; i < image_count; i++) {
        forget_changes(&images[i]);
        free(images[i].bytes);
        free(images[i].changes);
    }
    image_count = 0;
}
