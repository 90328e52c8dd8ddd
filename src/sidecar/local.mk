noinst_LIBRARIES += src/sidecar/libsidecar.a
src_sidecar_libsidecar_a_SOURCES =
sidecar_libs = src/sidecar/libsidecar.a $(JANSSON_LIBS) $(tunnel_libs)

# bin_PROGRAMS += appnet-sidecar
# appnet_sidecar_SOURCES = src/sidecar/main.c
# appnet_sidecar_LDADD = $(sidecar_libs)
