noinst_LIBRARIES += src/identity/libidentity.a
src_identity_libidentity_a_SOURCES = \
	include/appnet/identity/authority.h src/identity/authority.c \
	include/appnet/identity/certificate.h src/identity/certificate.c \
	include/appnet/identity/identity.h src/identity/identity.c \
	include/appnet/identity/spiffe.h src/identity/spiffe.c
identity_libs = src/identity/libidentity.a $(MBEDTLS_LIBS) $(config_libs)
