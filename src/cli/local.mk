noinst_LIBRARIES += src/cli/libcli.a
src_cli_libcli_a_SOURCES =
cli_libs = src/cli/libcli.a $(LIBCURL_LIBS) $(JANSSON_LIBS) $(identity_libs)

# if WITH_CLI
# bin_PROGRAMS += appnet
# appnet_SOURCES = src/cli/main.c
# appnet_LDADD = $(cli_libs)
# endif
