if WITH_CLI
noinst_LIBRARIES += src/cli/libcli.a
src_cli_libcli_a_SOURCES = \
	include/appnet/cli/command.h src/cli/command.c \
	src/cli/ca_command.c \
	src/cli/sidecar_client.h src/cli/sidecar_client.c \
	src/cli/status_command.c \
	src/cli/status_table.h src/cli/status_table.c
src_cli_libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBCURL_CFLAGS)
cli_libs = src/cli/libcli.a $(LIBCURL_LIBS) $(JANSSON_LIBS) $(identity_libs)

bin_PROGRAMS += appnet
appnet_SOURCES = src/cli/main.c
appnet_LDADD = $(cli_libs)
endif
