#include "appnet/registry/sessions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "appnet/base/file.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"

#define TEXT_LENGTH (SESSIONS_TEXT_SIZE - 1)
#define FILE_LIMIT (64 << 10)
#define SEAL_TEXT_SIZE (2 * AUTH_SEAL_SIZE + 1)

struct session {
    uint8_t seal[AUTH_SEAL_SIZE];
    enum role role;
    int64_t ends;
};

struct sessions {
    const struct auth *auth;
    char *path;
    struct session all[SESSIONS_MAX];
    unsigned count;
    char code[SESSIONS_TEXT_SIZE]; /* empty: there is none */
    int64_t code_ends;
};

static void to_hex(const uint8_t *data, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        *out++ = "0123456789abcdef"[data[i] >> 4];
        *out++ = "0123456789abcdef"[data[i] & 15];
    }
    *out = '\0';
}

static bool from_hex(const char *text, uint8_t *out, size_t size)
{
    if (strlen(text) != 2 * size || strspn(text, "0123456789abcdef") != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        sscanf(text + 2 * i, "%2" SCNx8, &out[i]);
    }
    return true;
}

static void make_text(char out[SESSIONS_TEXT_SIZE])
{
    uint8_t bytes[TEXT_LENGTH / 2];

    random_bytes(bytes, sizeof bytes);
    to_hex(bytes, sizeof bytes, out);
    secret_wipe(bytes, sizeof bytes);
}

/* ---- on disk: a line each, "SEAL ROLE ENDS" ---- */

static bool read_line(const char *line, struct session *out)
{
    char seal[SEAL_TEXT_SIZE];
    char role[16];
    int end = 0;

    if (sscanf(line, "%64s %15s %" SCNd64 "%n", seal, role, &out->ends, &end) != 3 ||
        line[end] != '\0' || !from_hex(seal, out->seal, sizeof out->seal)) {
        return false;
    }
    out->role = role_from_text(role);
    return out->role != ROLE_NONE;
}

static int read_lines(struct sessions *sessions, char *text, int64_t now, struct error *err)
{
    char *rest = NULL;
    unsigned number = 0;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct session session;
        if (++number > SESSIONS_MAX || !read_line(line, &session)) {
            sessions->count = 0;
            return error_set(err, "%s: line %u is not one of the registry's", sessions->path,
                             number);
        }
        if (session.ends > now && session.ends <= now + SESSIONS_SECONDS) {
            sessions->all[sessions->count++] = session;
        }
    }
    return 0;
}

struct sessions *sessions_open(const char *folder, const struct auth *auth, int64_t now)
{
    struct sessions *sessions = memory_zalloc(sizeof *sessions);
    struct error err = ERROR_INIT;
    char *text = NULL;
    size_t size;

    sessions->auth = auth;
    sessions->path = file_path(folder, SESSIONS_FILE);
    if (access(sessions->path, F_OK) != 0 && errno == ENOENT) {
        return sessions;
    }
    if (file_read_secret(sessions->path, FILE_LIMIT, &text, &size, &err) != 0 ||
        read_lines(sessions, text, now, &err) != 0) {
        log_warn("sessions lost", LOG_S("detail", err.text));
    }
    free(text);
    return sessions;
}

/* One that cannot be kept is good until the end of this run. */
static void save(const struct sessions *sessions)
{
    struct evbuffer *out = evbuffer_new();
    struct error err = ERROR_INIT;

    for (unsigned i = 0; i < sessions->count; i++) {
        const struct session *session = &sessions->all[i];
        char seal[SEAL_TEXT_SIZE];
        to_hex(session->seal, sizeof session->seal, seal);
        evbuffer_add_printf(out, "%s %s %" PRId64 "\n", seal, role_text(session->role),
                            session->ends);
    }
    if (file_write(sessions->path, evbuffer_pullup(out, -1), evbuffer_get_length(out), 0600, false,
                   &err) != 0) {
        log_warn("sessions not kept", LOG_S("detail", err.text));
    }
    evbuffer_free(out);
}

void sessions_free(struct sessions *sessions)
{
    if (sessions) {
        free(sessions->path);
        secret_wipe(sessions, sizeof *sessions);
        free(sessions);
    }
}

/* ---- sessions ---- */

static void drop(struct sessions *sessions, unsigned place)
{
    sessions->all[place] = sessions->all[--sessions->count];
}

static void drop_ended(struct sessions *sessions, int64_t now)
{
    for (unsigned i = sessions->count; i-- > 0;) {
        if (sessions->all[i].ends <= now) {
            drop(sessions, i);
        }
    }
}

/* So that whoever may do little cannot sign out those who may do more. */
static bool make_room(struct sessions *sessions, enum role role)
{
    unsigned least = 0;

    if (sessions->count < SESSIONS_MAX) {
        return true;
    }
    for (unsigned i = 1; i < sessions->count; i++) {
        const struct session *one = &sessions->all[i];
        const struct session *other = &sessions->all[least];
        if (one->role < other->role || (one->role == other->role && one->ends < other->ends)) {
            least = i;
        }
    }
    if (sessions->all[least].role > role) {
        return false;
    }
    drop(sessions, least);
    return true;
}

bool sessions_add(struct sessions *sessions, enum role role, int64_t now,
                  char out[SESSIONS_TEXT_SIZE])
{
    struct session *session;

    drop_ended(sessions, now);
    if (!make_room(sessions, role)) {
        return false;
    }
    session = &sessions->all[sessions->count++];
    session->role = role;
    session->ends = now + SESSIONS_SECONDS;
    make_text(out);
    auth_seal(sessions->auth, role, out, session->seal);
    save(sessions);
    return true;
}

/* Its place; the count: there is none. All are compared, so that the time tells nothing. */
static unsigned find(const struct sessions *sessions, const char *text)
{
    uint8_t seals[ROLE_ADMIN + 1][AUTH_SEAL_SIZE];
    unsigned found = sessions->count;

    if (strlen(text) != TEXT_LENGTH) {
        return found;
    }
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        auth_seal(sessions->auth, role, text, seals[role]);
    }
    for (unsigned i = 0; i < sessions->count; i++) {
        const struct session *session = &sessions->all[i];
        if (secret_equal(session->seal, seals[session->role], AUTH_SEAL_SIZE)) {
            found = i;
        }
    }
    return found;
}

enum role sessions_role(const struct sessions *sessions, const char *text, int64_t now)
{
    unsigned place = find(sessions, text);

    return place < sessions->count && sessions->all[place].ends > now ? sessions->all[place].role
                                                                      : ROLE_NONE;
}

void sessions_remove(struct sessions *sessions, const char *text)
{
    unsigned place = find(sessions, text);

    if (place < sessions->count) {
        drop(sessions, place);
        save(sessions);
    }
}

unsigned sessions_count(const struct sessions *sessions)
{
    return sessions->count;
}

/* ---- the code ---- */

void sessions_make_code(struct sessions *sessions, int64_t clock, char out[SESSIONS_TEXT_SIZE])
{
    make_text(sessions->code);
    sessions->code_ends = clock + SESSIONS_CODE_SECONDS;
    memcpy(out, sessions->code, SESSIONS_TEXT_SIZE);
}

bool sessions_take_code(struct sessions *sessions, const char *code, int64_t clock)
{
    if (strlen(code) != TEXT_LENGTH || clock >= sessions->code_ends ||
        !secret_equal(sessions->code, code, TEXT_LENGTH)) {
        return false;
    }
    secret_wipe(sessions->code, sizeof sessions->code);
    sessions->code_ends = 0;
    return true;
}
