/* Join tokens: `appnet1.ID.SECRET.CAHASH`. A person makes one at the registry and carries it to a
 * new replica, once. ID names it, SECRET proves it, CAHASH pins the registry's CA, so that the
 * first contact is authenticated both ways. The registry keeps ID and the hash of SECRET. */
#ifndef APPNET_IDENTITY_JOIN_TOKEN_H
#define APPNET_IDENTITY_JOIN_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/error.h"

#define JOIN_TOKEN_ID_SIZE 13      /* 12 of a-z and 0-9, and the zero */
#define JOIN_TOKEN_SECRET_SIZE 44  /* 32 bytes in base64url (RFC 4648, section 5), and the zero */
#define JOIN_TOKEN_CA_HASH_SIZE 65 /* SHA-256 in lower-case hexadecimal, and the zero */
#define JOIN_TOKEN_HASH_SIZE 32    /* SHA-256 */
#define JOIN_TOKEN_TEXT_SIZE 130   /* the whole text and its zero */

struct join_token {
    char id[JOIN_TOKEN_ID_SIZE];
    char secret[JOIN_TOKEN_SECRET_SIZE];
    char ca_hash[JOIN_TOKEN_CA_HASH_SIZE];
};

/* Makes a new token; `ca_hash` is authority_hash's. secret_wipe it when done. */
void join_token_make(const char *ca_hash, struct join_token *out);

/* Writes the text, always terminated. */
void join_token_format(const struct join_token *token, char out[JOIN_TOKEN_TEXT_SIZE]);

/* Takes a text of exactly this form apart. What is wrong with it is said without repeating it. */
int join_token_parse(const char *text, struct join_token *out, struct error *err);

/* Reads a file that holds a token and nothing else but white space around it. */
int join_token_read(const char *path, struct join_token *out, struct error *err);

/* Whether this is the ID of a token, as in the API's paths. */
bool join_token_id_valid(const char *text);

/* What the registry keeps in place of the secret: SHA-256 of its text. */
void join_token_hash(const struct join_token *token, uint8_t out[JOIN_TOKEN_HASH_SIZE]);

/* Whether the secret is the one that was hashed, in the same time for every wrong one. */
bool join_token_matches(const struct join_token *token, const uint8_t hash[JOIN_TOKEN_HASH_SIZE]);

#endif
