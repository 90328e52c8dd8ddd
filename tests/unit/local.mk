# A test of NOUN is tests/unit/test_NOUN.c. It goes into unit_tests, and
# tests_unit_test_NOUN_LDADD = $(LAYER_libs) $(CMOCKA_LIBS) links its own layer and those below, nothing above.
unit_tests =

# What many of them use.
support_library = tests/unit/libsupport.a
tests_unit_libsupport_a_SOURCES = \
	tests/unit/fleet.h tests/unit/fleet.c \
	tests/unit/forger.h tests/unit/forger.c \
	tests/unit/http_support.h tests/unit/http_support.c \
	tests/unit/http2_support.h tests/unit/http2_support.c \
	tests/unit/record_support.h tests/unit/record_support.c \
	tests/unit/sidecar_support.h tests/unit/sidecar_support.c \
	tests/unit/support.h tests/unit/support.c \
	tests/unit/tls_support.h tests/unit/tls_support.c \
	tests/unit/tunnel_support.h tests/unit/tunnel_support.c

# base
unit_tests += tests/unit/test_acceptor
tests_unit_test_acceptor_LDADD = $(support_library) $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_address
tests_unit_test_address_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_duration
tests_unit_test_duration_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_error
tests_unit_test_error_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_file
tests_unit_test_file_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_log
tests_unit_test_log_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_loop
tests_unit_test_loop_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_memory
tests_unit_test_memory_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_name
tests_unit_test_name_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_rate_limit
tests_unit_test_rate_limit_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_secret
tests_unit_test_secret_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_socket
tests_unit_test_socket_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_text
tests_unit_test_text_LDADD = $(base_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_time
tests_unit_test_time_LDADD = $(base_libs) $(CMOCKA_LIBS)

# config
unit_tests += tests/unit/test_config
tests_unit_test_config_LDADD = $(config_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_spelling
tests_unit_test_spelling_LDADD = $(config_libs) $(CMOCKA_LIBS)

# identity
unit_tests += tests/unit/test_authority
tests_unit_test_authority_LDADD = $(identity_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_certificate
tests_unit_test_certificate_LDADD = $(identity_libs) $(CMOCKA_LIBS)
tests_unit_test_certificate_SOURCES = tests/unit/test_certificate.c tests/unit/odd_certificate.h
unit_tests += tests/unit/test_identity
tests_unit_test_identity_LDADD = $(identity_libs) $(CMOCKA_LIBS)
tests_unit_test_identity_SOURCES = tests/unit/test_identity.c tests/unit/odd_certificate.h
unit_tests += tests/unit/test_identity_folder
tests_unit_test_identity_folder_LDADD = $(support_library) $(identity_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_join_token
tests_unit_test_join_token_LDADD = $(identity_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_signing_request
tests_unit_test_signing_request_LDADD = $(support_library) $(identity_libs) $(CMOCKA_LIBS)
tests_unit_test_signing_request_SOURCES = \
	tests/unit/test_signing_request.c tests/unit/odd_certificate.h
unit_tests += tests/unit/test_spiffe
tests_unit_test_spiffe_LDADD = $(identity_libs) $(CMOCKA_LIBS)

# tls
unit_tests += tests/unit/test_after
tests_unit_test_after_LDADD = $(tls_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_alert
tests_unit_test_alert_LDADD = $(tls_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_handshake
tests_unit_test_handshake_LDADD = $(support_library) $(tls_libs) $(CMOCKA_LIBS)
tests_unit_test_handshake_SOURCES = tests/unit/test_handshake.c tests/unit/odd_certificate.h
unit_tests += tests/unit/test_hostile_record
tests_unit_test_hostile_record_LDADD = $(support_library) $(tls_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_keys
tests_unit_test_keys_LDADD = $(tls_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_record
tests_unit_test_record_LDADD = $(support_library) $(tls_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_tls_expected
tests_unit_test_tls_expected_LDADD = $(support_library) $(tls_libs) $(CMOCKA_LIBS)

# tunnel
unit_tests += tests/unit/test_blocks
tests_unit_test_blocks_LDADD = $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_buffers
tests_unit_test_buffers_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_handshaker
tests_unit_test_handshaker_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_pool
tests_unit_test_pool_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_request
tests_unit_test_request_LDADD = $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_sender
tests_unit_test_sender_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_stream
tests_unit_test_stream_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_tunnel
tests_unit_test_tunnel_LDADD = $(support_library) $(tunnel_libs) $(CMOCKA_LIBS)

# http
unit_tests += tests/unit/test_body
tests_unit_test_body_LDADD = $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_chunks
tests_unit_test_chunks_LDADD = $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_http1_head
tests_unit_test_http1_head_LDADD = $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_http1_door
tests_unit_test_http1_door_LDADD = $(support_library) $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_http2_door
tests_unit_test_http2_door_LDADD = $(support_library) $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_http_client
tests_unit_test_http_client_LDADD = $(support_library) $(http_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_target
tests_unit_test_target_LDADD = $(http_libs) $(CMOCKA_LIBS)

# sidecar
unit_tests += tests/unit/test_board
tests_unit_test_board_LDADD = $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_connection
tests_unit_test_connection_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_credentials
tests_unit_test_credentials_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_lookout
tests_unit_test_lookout_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_membership
tests_unit_test_membership_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_outbound
tests_unit_test_outbound_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_policy
tests_unit_test_policy_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_relay
tests_unit_test_relay_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_report
tests_unit_test_report_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_snapshot
tests_unit_test_snapshot_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_status
tests_unit_test_status_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_use_index
tests_unit_test_use_index_LDADD = $(sidecar_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_view
tests_unit_test_view_LDADD = $(support_library) $(sidecar_libs) $(CMOCKA_LIBS)

# registry: the core needs nothing above base
if WITH_REGISTRY
registry_support = tests/unit/libregistry_support.a
tests_unit_libregistry_support_a_SOURCES = \
	tests/unit/lossy_vfs.h tests/unit/lossy_vfs.c \
	tests/unit/registry_support.h tests/unit/registry_support.c \
	tests/unit/store_support.h tests/unit/store_support.c
unit_tests += tests/unit/test_descriptor
tests_unit_test_descriptor_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_events
tests_unit_test_events_LDADD = $(registry_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_mesh
tests_unit_test_mesh_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_model
tests_unit_test_model_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_page
tests_unit_test_page_LDADD = $(registry_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_presence
tests_unit_test_presence_LDADD = $(support_library) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_rowset
tests_unit_test_rowset_LDADD = $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_rules
tests_unit_test_rules_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_schema
tests_unit_test_schema_LDADD = $(registry_support) $(support_library) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_sessions
tests_unit_test_sessions_LDADD = $(support_library) $(registry_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_standing
tests_unit_test_standing_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_state
tests_unit_test_state_LDADD = $(registry_support) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_store
tests_unit_test_store_LDADD = $(registry_support) $(support_library) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_store_crash
tests_unit_test_store_crash_LDADD = $(registry_support) $(support_library) $(registry_core_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_store_sqlite
tests_unit_test_store_sqlite_LDADD = $(registry_support) $(support_library) $(registry_core_libs) $(CMOCKA_LIBS)
endif

# cli
if WITH_CLI
unit_tests += tests/unit/test_command
tests_unit_test_command_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_event_stream
tests_unit_test_event_stream_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_outbound_environment
tests_unit_test_outbound_environment_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_readiness
tests_unit_test_readiness_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_sidecar_client
tests_unit_test_sidecar_client_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_status_table
tests_unit_test_status_table_LDADD = $(cli_libs) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_table
tests_unit_test_table_LDADD = $(cli_libs) $(CMOCKA_LIBS)
endif

if WITH_CMOCKA
check_LIBRARIES = $(support_library) $(registry_support)
check_PROGRAMS += $(unit_tests)
AM_CPPFLAGS += $(CMOCKA_CFLAGS)
endif
