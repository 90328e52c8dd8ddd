noinst_LIBRARIES += src/tunnel/libtunnel.a
src_tunnel_libtunnel_a_SOURCES = \
	include/appnet/tunnel/blocks.h src/tunnel/blocks.c \
	include/appnet/tunnel/buffers.h include/appnet/tunnel/handshaker.h include/appnet/tunnel/pool.h \
	include/appnet/tunnel/request.h include/appnet/tunnel/stream.h include/appnet/tunnel/tunnel.h \
	include/appnet/tunnel/sender.h src/tunnel/holding.h src/tunnel/holding.c src/tunnel/session.h \
	src/tunnel/buffers.c src/tunnel/handshaker.c src/tunnel/pool.c src/tunnel/request.c \
	src/tunnel/sender.c src/tunnel/stream.c src/tunnel/tunnel.c
tunnel_libs = src/tunnel/libtunnel.a $(NGHTTP2_LIBS) $(tls_libs)
