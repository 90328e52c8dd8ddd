#include "appnet/registry/auth.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/identity/crypto.h"

#define TOKEN_BYTES 32
#define TOKEN_SIZE (2 * TOKEN_BYTES)
#define TOKEN_LEAST 16
#define FILE_LIMIT 1024
#define SCHEME "Bearer "

struct auth {
    char *tokens[ROLE_ADMIN + 1]; /* by role; none for ROLE_NONE */
};

const char *role_text(enum role role)
{
    static const char *const texts[] = {"nobody", "viewer", "operator", "admin"};

    return texts[role];
}

enum role role_from_text(const char *text)
{
    enum role role = ROLE_ADMIN;

    while (role != ROLE_NONE && strcmp(role_text(role), text) != 0) {
        role--;
    }
    return role;
}

static int make_token(const char *path, struct error *err)
{
    unsigned char bytes[TOKEN_BYTES];
    char text[TOKEN_SIZE + 1];

    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < TOKEN_BYTES; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[TOKEN_SIZE] = '\n';
    secret_wipe(bytes, sizeof bytes);
    if (file_write(path, text, sizeof text, 0600, true, err) != 0) {
        return -1;
    }
    secret_wipe(text, sizeof text);
    return 0;
}

static void trim(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        text[--length] = '\0';
    }
}

static char *open_token(const char *folder, enum role role, struct error *err)
{
    char *name = memory_printf("%s.token", role_text(role));
    char *path = file_path(folder, name);
    char *text = NULL;
    size_t size;

    if ((access(path, F_OK) != 0 && errno == ENOENT && make_token(path, err) != 0) ||
        file_read_secret(path, FILE_LIMIT, &text, &size, err) != 0) {
        goto out;
    }
    trim(text);
    if (strlen(text) < TOKEN_LEAST) {
        error_set(err,
                  "%s: expected a token of at least %d characters; remove the file, and a new "
                  "one is made",
                  path, TOKEN_LEAST);
        secret_wipe(text, size);
        free(text);
        text = NULL;
    }
out:
    free(path);
    free(name);
    return text;
}

struct auth *auth_open(const char *folder, struct error *err)
{
    struct auth *auth = memory_zalloc(sizeof *auth);

    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        auth->tokens[role] = open_token(folder, role, err);
        if (!auth->tokens[role]) {
            auth_free(auth);
            return NULL;
        }
    }
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth) {
        return;
    }
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        if (auth->tokens[role]) {
            secret_wipe(auth->tokens[role], strlen(auth->tokens[role]));
            free(auth->tokens[role]);
        }
    }
    free(auth);
}

enum role auth_token_role(const struct auth *auth, const char *token)
{
    enum role found = ROLE_NONE;
    size_t length = strlen(token);

    /* All are compared, so that the time tells nothing. */
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        const char *own = auth->tokens[role];
        if (strlen(own) == length && secret_equal(own, token, length)) {
            found = role;
        }
    }
    return found;
}

enum role auth_role(const struct auth *auth, const char *authorization)
{
    if (!authorization || strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0) {
        return ROLE_NONE;
    }
    authorization += strlen(SCHEME);
    return auth_token_role(auth, authorization + strspn(authorization, " "));
}

void auth_seal(const struct auth *auth, enum role role, const char *text,
               uint8_t out[AUTH_SEAL_SIZE])
{
    char *both = memory_printf("%s\n%s", auth->tokens[role], text);

    crypto_sha256(both, strlen(both), out);
    secret_wipe(both, strlen(both));
    free(both);
}
