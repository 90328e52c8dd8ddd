/* An identity in a folder: key.pem (0600), cert.pem, ca.pem. They are renewed as a whole: whenever
 * the machine stops, a start later finds the old identity or the new one, never a key of the one
 * and a certificate of the other. */
#ifndef APPNET_IDENTITY_IDENTITY_FOLDER_H
#define APPNET_IDENTITY_IDENTITY_FOLDER_H

#include <stdbool.h>

#include "appnet/identity/identity.h"

#define IDENTITY_FOLDER_KEY "key.pem"
#define IDENTITY_FOLDER_CERTIFICATE "cert.pem"
#define IDENTITY_FOLDER_CA "ca.pem"

/* Writes all three; the folder is made, with `folder_mode`, if missing. All are written and synced
 * under other names (`.new` behind them) first and renamed then, so that a full disk leaves the old
 * ones whole and identity_folder_load can finish what a crash has cut. */
int identity_folder_write(const char *folder, mode_t folder_mode, const char *key_pem,
                          const char *certificate_pem, const char *ca_pem, struct error *err);

/* As identity_load of the three files. If they do not make a good identity, and what a write that
 * was cut has left behind does, that write is finished. */
struct identity *identity_folder_load(const char *folder, const char *trust_domain,
                                      const char *instance, struct error *err);

/* Whether there is no certificate at all: nothing was ever written, so there is nothing to complain
 * about. */
bool identity_folder_empty(const char *folder);

#endif
