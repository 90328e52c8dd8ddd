noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	include/appnet/base/acceptor.h src/base/acceptor.c \
	include/appnet/base/address.h src/base/address.c \
	include/appnet/base/duration.h src/base/duration.c \
	include/appnet/base/error.h src/base/error.c \
	include/appnet/base/file.h src/base/file.c \
	include/appnet/base/log.h src/base/log.c \
	include/appnet/base/loop.h src/base/loop.c \
	include/appnet/base/memory.h src/base/memory.c \
	include/appnet/base/name.h src/base/name.c \
	include/appnet/base/rate_limit.h src/base/rate_limit.c \
	include/appnet/base/secret.h src/base/secret.c \
	include/appnet/base/socket.h src/base/socket.c \
	include/appnet/base/text.h src/base/text.c \
	include/appnet/base/time.h src/base/time.c
base_libs = src/base/libbase.a $(LIBEVENT_LIBS)
