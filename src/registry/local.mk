if WITH_REGISTRY
noinst_LIBRARIES += src/registry/libregistry.a
src_registry_libregistry_a_SOURCES = \
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
src_registry_libregistry_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
registry_libs = src/registry/libregistry.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(base_libs)
endif
