if WITH_CLI
noinst_LIBRARIES += src/cli/libcli.a
src_cli_libcli_a_SOURCES = \
	src/cli/answer.h src/cli/answer.c \
	src/cli/api_client.h src/cli/api_client.c \
	src/cli/ca_init_command.c \
	src/cli/ca_issue_command.c \
	src/cli/child.h src/cli/child.c \
	include/appnet/cli/command.h src/cli/command.c \
	src/cli/commands.c \
	src/cli/connection.h src/cli/connection.c \
	src/cli/connection_add_command.c \
	src/cli/connection_list_command.c \
	src/cli/connection_remove_command.c \
	src/cli/event_stream.h src/cli/event_stream.c \
	src/cli/events_command.c \
	src/cli/inbound_available_command.c \
	src/cli/instance.h src/cli/instance.c \
	src/cli/instance_apply_command.c \
	src/cli/instance_list_command.c \
	src/cli/instance_remove_command.c \
	src/cli/instance_show_command.c \
	src/cli/outbound_available_command.c \
	src/cli/outbound_environment.h src/cli/outbound_environment.c \
	src/cli/output.h src/cli/output.c \
	src/cli/progress.h src/cli/progress.c \
	src/cli/readiness.h src/cli/readiness.c \
	src/cli/run_command.c \
	src/cli/sidecar_client.h src/cli/sidecar_client.c \
	src/cli/status_command.c \
	src/cli/status_table.h src/cli/status_table.c \
	src/cli/table.h src/cli/table.c \
	src/cli/token_create_command.c \
	src/cli/token_list_command.c \
	src/cli/token_revoke_command.c \
	src/cli/wait_command.c
src_cli_libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBCURL_CFLAGS)
cli_libs = src/cli/libcli.a $(LIBCURL_LIBS) $(JANSSON_LIBS) $(identity_libs)

bin_PROGRAMS += appnet
appnet_SOURCES = src/cli/main.c
appnet_LDADD = $(cli_libs)
endif
