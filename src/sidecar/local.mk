noinst_LIBRARIES += src/sidecar/libsidecar.a
src_sidecar_libsidecar_a_SOURCES = \
	include/appnet/sidecar/admin.h include/appnet/sidecar/board.h include/appnet/sidecar/connection.h \
	include/appnet/sidecar/connection_state.h include/appnet/sidecar/inbound.h \
	include/appnet/sidecar/listeners.h include/appnet/sidecar/lookout.h include/appnet/sidecar/outbound.h \
	include/appnet/sidecar/policy.h include/appnet/sidecar/relay.h include/appnet/sidecar/replica.h include/appnet/sidecar/report.h \
	include/appnet/sidecar/sidecar.h include/appnet/sidecar/snapshot.h include/appnet/sidecar/status.h \
	include/appnet/sidecar/worker.h \
	src/sidecar/admin.c src/sidecar/board.c src/sidecar/connection.c src/sidecar/connection_state.c \
	src/sidecar/inbound.c src/sidecar/listeners.c src/sidecar/lookout.c src/sidecar/outbound.c \
	src/sidecar/policy.c src/sidecar/relay.c src/sidecar/replica.c src/sidecar/report.c src/sidecar/sidecar.c \
	src/sidecar/snapshot.c src/sidecar/status.c src/sidecar/worker.c \
	include/appnet/sidecar/credentials.h src/sidecar/credentials.c \
	include/appnet/sidecar/membership.h src/sidecar/membership.c \
	src/sidecar/use_index.h src/sidecar/use_index.c \
	include/appnet/sidecar/view.h src/sidecar/view.c src/sidecar/view_entry.h src/sidecar/view_entry.c
sidecar_libs = src/sidecar/libsidecar.a $(JANSSON_LIBS) $(http_libs)

bin_PROGRAMS += appnet-sidecar
appnet_sidecar_SOURCES = src/sidecar/main.c
appnet_sidecar_LDADD = $(sidecar_libs)
