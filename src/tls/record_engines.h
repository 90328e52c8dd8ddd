/* The engines that record.c chooses from. Private to src/tls. */
#ifndef APPNET_TLS_RECORD_ENGINES_H
#define APPNET_TLS_RECORD_ENGINES_H

#include "appnet/tls/record.h"

extern const struct record_engine record_engine_ktls;
extern const struct record_engine record_engine_gcrypt;
extern const struct record_engine record_engine_mbedtls;

#endif
