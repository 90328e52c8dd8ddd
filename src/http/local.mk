noinst_LIBRARIES += src/http/libhttp.a
src_http_libhttp_a_SOURCES = \
	src/http/body.h src/http/body.c \
	src/http/channel.h src/http/channel.c \
	src/http/chunks.h src/http/chunks.c \
	src/http/door.h \
	include/appnet/http/exchange.h src/http/exchange.c \
	src/http/fields.h src/http/fields.c \
	src/http/http1_head.h src/http/http1_head.c \
	src/http/http1_connection.h src/http/http1_connection.c \
	include/appnet/http/http1_door.h src/http/http1_door.c \
	src/http/http2_connection.h src/http/http2_connection.c \
	include/appnet/http/http2_door.h src/http/http2_door.c \
	src/http/http2_exchange.h src/http/http2_exchange.c \
	include/appnet/http/http_client.h src/http/http_client.c \
	src/http/problem.h src/http/problem.c \
	src/http/target.h src/http/target.c
http_libs = src/http/libhttp.a $(tunnel_libs)
