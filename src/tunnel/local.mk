noinst_LIBRARIES += src/tunnel/libtunnel.a
src_tunnel_libtunnel_a_SOURCES =
tunnel_libs = src/tunnel/libtunnel.a $(NGHTTP2_LIBS) $(tls_libs)
