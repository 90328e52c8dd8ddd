noinst_LIBRARIES += src/tls/libtls.a
src_tls_libtls_a_SOURCES =
tls_libs = src/tls/libtls.a $(identity_libs)
