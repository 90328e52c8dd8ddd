#include "appnet/identity/join_token.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/file.h"
#include "appnet/base/secret.h"
#include "appnet/identity/crypto.h"

#define PREFIX "appnet1."
#define FORM PREFIX "ID.SECRET.CAHASH as `appnet token create` printed it"
#define FILE_MAX 1024
#define SECRET_BYTES 32

static const char id_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char secret_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hash_letters[] = "0123456789abcdef";

/* RFC 4648, section 5, without padding. */
static void write_secret(char out[JOIN_TOKEN_SECRET_SIZE])
{
    uint8_t bytes[SECRET_BYTES];
    uint32_t bits = 0;
    unsigned count = 0;
    size_t used = 0;

    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (count += 8; count >= 6; count -= 6) {
            out[used++] = secret_letters[bits >> (count - 6) & 63];
        }
    }
    out[used++] = secret_letters[bits << (6 - count) & 63];
    out[used] = '\0';
    secret_wipe(bytes, sizeof bytes);
    secret_wipe(&bits, sizeof bits);
}

void join_token_make(const char *ca_hash, struct join_token *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i + 1 < sizeof out->id; i++) {
        out->id[i] = id_letters[random_below(sizeof id_letters - 1)];
    }
    write_secret(out->secret);
    snprintf(out->ca_hash, sizeof out->ca_hash, "%s", ca_hash);
}

void join_token_format(const struct join_token *token, char out[JOIN_TOKEN_TEXT_SIZE])
{
    snprintf(out, JOIN_TOKEN_TEXT_SIZE, PREFIX "%s.%s.%s", token->id, token->secret,
             token->ca_hash);
}

/* Exactly size-1 of `letters`, then `end`; moves *text behind it. */
static int take(const char **text, char *out, size_t size, const char *letters, char end)
{
    if (strspn(*text, letters) != size - 1 || (*text)[size - 1] != end) {
        return -1;
    }
    memcpy(out, *text, size - 1);
    out[size - 1] = '\0';
    *text += size;
    return 0;
}

int join_token_parse(const char *text, struct join_token *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0) {
        return error_set(err, "not a join token: expected " FORM);
    }
    text += strlen(PREFIX);
    if (take(&text, out->id, sizeof out->id, id_letters, '.') != 0 ||
        take(&text, out->secret, sizeof out->secret, secret_letters, '.') != 0 ||
        take(&text, out->ca_hash, sizeof out->ca_hash, hash_letters, '\0') != 0) {
        secret_wipe(out, sizeof *out);
        return error_set(err, "the join token is cut or changed: expected " FORM);
    }
    return 0;
}

int join_token_read(const char *path, struct join_token *out, struct error *err)
{
    char *text;
    size_t size;
    char *begin;
    int rc;

    if (file_read(path, FILE_MAX, &text, &size, err) != 0) {
        return -1;
    }
    begin = text + strspn(text, " \t\r\n");
    for (char *end = begin + strlen(begin); end > begin && isspace((unsigned char)end[-1]); end--) {
        end[-1] = '\0';
    }
    rc = *begin != '\0' ? join_token_parse(begin, out, err)
                        : error_set(err, "there is no join token in it");
    if (rc != 0) {
        error_prefix(err, "%s", path);
    }
    secret_wipe(text, size);
    free(text);
    return rc;
}

bool join_token_id_valid(const char *text)
{
    return strlen(text) == JOIN_TOKEN_ID_SIZE - 1 && text[strspn(text, id_letters)] == '\0';
}

void join_token_hash(const struct join_token *token, uint8_t out[JOIN_TOKEN_HASH_SIZE])
{
    crypto_sha256(token->secret, strlen(token->secret), out);
}

bool join_token_matches(const struct join_token *token, const uint8_t hash[JOIN_TOKEN_HASH_SIZE])
{
    uint8_t own[JOIN_TOKEN_HASH_SIZE];

    join_token_hash(token, own);
    return secret_equal(own, hash, sizeof own);
}
