if WITH_REGISTRY
noinst_LIBRARIES += src/registry/libregistry.a
src_registry_libregistry_a_SOURCES = \
	include/appnet/registry/actions.h src/registry/actions.c \
	include/appnet/registry/api.h src/registry/api.c \
	include/appnet/registry/auth.h src/registry/auth.c \
	include/appnet/registry/enrolment.h src/registry/enrolment.c \
	include/appnet/registry/events.h src/registry/events.c \
	include/appnet/registry/feed.h src/registry/feed.c \
	include/appnet/registry/forms.h src/registry/forms.c \
	include/appnet/registry/presence.h src/registry/presence.c \
	include/appnet/registry/registry.h src/registry/registry.c \
	include/appnet/registry/reply.h src/registry/reply.c \
	include/appnet/registry/settings.h src/registry/settings.c \
	include/appnet/registry/standing.h src/registry/standing.c \
	src/registry/api_routes.h src/registry/api_health.c src/registry/api_people.c \
	src/registry/api_sidecar.c src/registry/core.h src/registry/core.c \
	src/registry/view.h src/registry/view.c \
	src/registry/database.h src/registry/database.c \
	include/appnet/registry/descriptor.h src/registry/descriptor.c \
	include/appnet/registry/mesh.h src/registry/mesh.c \
	include/appnet/registry/model.h src/registry/model.c \
	include/appnet/registry/problems.h src/registry/problems.c \
	src/registry/rowset.h src/registry/rowset.c \
	include/appnet/registry/rules.h src/registry/rules.c \
	src/registry/schema.h src/registry/schema.c \
	include/appnet/registry/state.h src/registry/state.c \
	include/appnet/registry/store.h src/registry/store.c \
	src/registry/store_local.h src/registry/store_local.c \
	src/registry/store_mem.c \
	src/registry/store_sqlite.c \
	src/registry/store_table.h
registry_core_libs = src/registry/libregistry.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(base_libs)
registry_libs = src/registry/libregistry.a $(SQLITE_LIBS) $(LIBCONFIG_LIBS) $(JANSSON_LIBS) $(http_libs)

bin_PROGRAMS += appnet-registry
appnet_registry_SOURCES = src/registry/main.c
appnet_registry_LDADD = $(registry_libs)
endif
