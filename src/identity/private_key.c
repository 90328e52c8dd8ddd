#include "private_key.h"

#include <mbedtls/ecp.h>

#include "appnet/identity/random.h"

int private_key_make(mbedtls_pk_context *key, char pem[DRAFT_PEM_SIZE], struct error *err)
{
    int rc = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

    if (rc == 0) {
        rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), identity_random,
                                 NULL);
    }
    if (rc == 0) {
        rc = mbedtls_pk_write_key_pem(key, (unsigned char *)pem, DRAFT_PEM_SIZE);
    }
    return rc == 0 ? 0 : crypto_error(err, rc, "cannot make a key");
}
