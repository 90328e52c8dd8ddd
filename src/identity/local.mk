noinst_LIBRARIES += src/identity/libidentity.a
src_identity_libidentity_a_SOURCES = \
	src/identity/alternative_names.h src/identity/alternative_names.c \
	include/appnet/identity/authority.h src/identity/authority.c \
	src/identity/authority_folder.c \
	include/appnet/identity/certificate.h src/identity/certificate.c \
	include/appnet/identity/crypto.h src/identity/crypto.c \
	src/identity/draft.h src/identity/draft.c \
	include/appnet/identity/identity.h src/identity/identity.c \
	include/appnet/identity/identity_folder.h src/identity/identity_folder.c \
	include/appnet/identity/join_token.h src/identity/join_token.c \
	src/identity/key_pair.h src/identity/key_pair.c \
	src/identity/private_key.h src/identity/private_key.c \
	include/appnet/identity/random.h src/identity/random.c \
	include/appnet/identity/signing_request.h src/identity/signing_request.c \
	include/appnet/identity/spiffe.h src/identity/spiffe.c
identity_libs = src/identity/libidentity.a $(MBEDTLS_LIBS) $(config_libs)
