noinst_LIBRARIES += src/tls/libtls.a
src_tls_libtls_a_SOURCES = \
	include/appnet/tls/alert.h include/appnet/tls/context.h include/appnet/tls/handshake.h \
	include/appnet/tls/keys.h include/appnet/tls/record.h \
	src/tls/key_export.h src/tls/record_engines.h \
	src/tls/alert.c src/tls/context.c src/tls/handshake.c src/tls/key_export.c src/tls/keys.c \
	src/tls/after.h src/tls/after.c src/tls/record.c src/tls/record_mbedtls.c
if WITH_KTLS
src_tls_libtls_a_SOURCES += src/tls/record_ktls.c
endif
if WITH_LIBGCRYPT
src_tls_libtls_a_SOURCES += src/tls/record_gcrypt.c
endif
tls_libs = src/tls/libtls.a $(LIBGCRYPT_LIBS) $(identity_libs)
