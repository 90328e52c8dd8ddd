noinst_LIBRARIES += src/http/libhttp.a
src_http_libhttp_a_SOURCES = \
	src/http/channel.h src/http/channel.c \
	src/http/door.h \
	include/appnet/http/exchange.h src/http/exchange.c \
	include/appnet/http/http1_door.h src/http/http1_door.c \
	include/appnet/http/http2_door.h src/http/http2_door.c \
	include/appnet/http/http_client.h src/http/http_client.c
http_libs = src/http/libhttp.a $(tunnel_libs)
