#include "appnet/identity/identity_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"

/* The CAs go first: they vouch for the old certificate, too, or else for the new one alone, which
 * then is found beside it. */
enum part { PART_CA, PART_KEY, PART_CERTIFICATE, PART_COUNT };

static const char *const part_names[PART_COUNT] = {
    IDENTITY_FOLDER_CA,
    IDENTITY_FOLDER_KEY,
    IDENTITY_FOLDER_CERTIFICATE,
};

static const mode_t part_modes[PART_COUNT] = {0644, 0600, 0644};

struct paths {
    char *final[PART_COUNT];
    char *staged[PART_COUNT];
};

static void paths_init(struct paths *paths, const char *folder)
{
    for (int i = 0; i < PART_COUNT; i++) {
        paths->final[i] = file_path(folder, part_names[i]);
        paths->staged[i] = memory_printf("%s.new", paths->final[i]);
    }
}

static void paths_clear(struct paths *paths)
{
    for (int i = 0; i < PART_COUNT; i++) {
        free(paths->final[i]);
        free(paths->staged[i]);
    }
}

static int stage(const struct paths *paths, const char *const *contents, struct error *err)
{
    for (int i = 0; i < PART_COUNT; i++) {
        if (file_write(paths->staged[i], contents[i], strlen(contents[i]), part_modes[i], false,
                       err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Those that are renamed already are fine. */
static int publish(const struct paths *paths, struct error *err)
{
    for (int i = 0; i < PART_COUNT; i++) {
        if (rename(paths->staged[i], paths->final[i]) != 0 && errno != ENOENT) {
            return error_set_errno(err, errno, "cannot write %s", paths->final[i]);
        }
    }
    return file_sync_folder(paths->final[PART_KEY], err);
}

int identity_folder_write(const char *folder, mode_t folder_mode, const char *key_pem,
                          const char *certificate_pem, const char *ca_pem, struct error *err)
{
    const char *contents[PART_COUNT] = {
        [PART_CA] = ca_pem,
        [PART_KEY] = key_pem,
        [PART_CERTIFICATE] = certificate_pem,
    };
    struct paths paths;
    int rc;

    if (file_make_folder(folder, folder_mode, err) != 0) {
        return -1;
    }
    paths_init(&paths, folder);
    rc = stage(&paths, contents, err);
    if (rc == 0) {
        rc = publish(&paths, err);
    } else {
        for (int i = 0; i < PART_COUNT; i++) {
            unlink(paths.staged[i]);
        }
    }
    paths_clear(&paths);
    return rc;
}

/* What the folder holds once the write that was cut is finished. */
static struct identity *load_staged(const struct paths *paths, const char *trust_domain,
                                    const char *instance)
{
    const char *path[PART_COUNT];
    bool any = false;

    for (int i = 0; i < PART_COUNT; i++) {
        bool staged = access(paths->staged[i], F_OK) == 0;
        path[i] = staged ? paths->staged[i] : paths->final[i];
        any = any || staged;
    }
    return any ? identity_load(path[PART_CERTIFICATE], path[PART_KEY], path[PART_CA], trust_domain,
                               instance, NULL)
               : NULL;
}

struct identity *identity_folder_load(const char *folder, const char *trust_domain,
                                      const char *instance, struct error *err)
{
    struct error reason = ERROR_INIT;
    struct paths paths;
    struct identity *identity;

    paths_init(&paths, folder);
    identity = identity_load(paths.final[PART_CERTIFICATE], paths.final[PART_KEY],
                             paths.final[PART_CA], trust_domain, instance, &reason);
    if (!identity) {
        identity = load_staged(&paths, trust_domain, instance);
        if (identity && publish(&paths, &reason) != 0) {
            identity_free(identity);
            identity = NULL;
        }
    }
    if (!identity) {
        error_set(err, "%s", reason.text);
    }
    paths_clear(&paths);
    return identity;
}

bool identity_folder_empty(const char *folder)
{
    struct paths paths;
    bool empty;

    paths_init(&paths, folder);
    empty = access(paths.final[PART_CERTIFICATE], F_OK) != 0 &&
            access(paths.staged[PART_CERTIFICATE], F_OK) != 0;
    paths_clear(&paths);
    return empty;
}
