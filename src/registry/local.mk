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
	include/appnet/registry/page.h src/registry/page.c \
	include/appnet/registry/presence.h src/registry/presence.c \
	include/appnet/registry/registry.h src/registry/registry.c \
	include/appnet/registry/reply.h src/registry/reply.c \
	include/appnet/registry/sessions.h src/registry/sessions.c \
	include/appnet/registry/settings.h src/registry/settings.c \
	include/appnet/registry/standing.h src/registry/standing.c \
	src/registry/api_routes.h src/registry/api_health.c src/registry/api_people.c \
	src/registry/api_session.c src/registry/api_sidecar.c src/registry/core.h src/registry/core.c \
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
nodist_src_registry_libregistry_a_SOURCES = src/registry/page_files.c
registry_core_libs = src/registry/libregistry.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(base_libs)
registry_libs = src/registry/libregistry.a $(SQLITE_LIBS) $(LIBCONFIG_LIBS) $(JANSSON_LIBS) $(http_libs)

bin_PROGRAMS += appnet-registry
appnet_registry_SOURCES = src/registry/main.c
appnet_registry_LDADD = $(registry_libs)
endif

# The page, as C. It is built from a copy of its source, which may be read-only, or comes ready-made.
page_source = $(srcdir)/src/registry/web
page_missing = $(srcdir)/src/registry/page_missing
if PAGE_BY_NPM
page_folder = page-build/dist
page_stamp = page-build/stamp
page-build/stamp: $(srcdir)/contrib/page-build.sh \
$(shell cd $(srcdir) && find src/registry/web -type d \( -name node_modules -o -name dist -o -name 'build*' \) -prune -o -type f -print)
	@echo "  NPM      $(page_folder)"
	@$(SHELL) $(srcdir)/contrib/page-build.sh $(page_source) page-build || \
	  { test $$? -eq 2 && test "$(with_page)" != yes && \
	    echo "WARNING: the registry will say that it has no page. make clean && make tries again." >&2; }
	@touch $@
else
page_stamp =
if PAGE_READY_MADE
page_folder = $(page_source)/dist
else
page_folder = $(page_missing)
endif
endif

src/registry/page_files.c: $(srcdir)/contrib/page-embed.sh $(page_stamp) $(wildcard $(page_folder)/index.html)
	$(AM_V_GEN)$(MKDIR_P) src/registry && \
	if test -f $(page_folder)/index.html; then folder=$(page_folder); else folder=$(page_missing); fi && \
	$(SHELL) $(srcdir)/contrib/page-embed.sh $$folder >$@.new && mv $@.new $@

CLEANFILES += src/registry/page_files.c
clean-local: clean-page
clean-page:
	rm -rf page-build/dist page-build/stamp
distclean-local:
	rm -rf page-build

# make dist ships the page ready-made.
dist-page: $(page_stamp)
	tar -C $(srcdir) --exclude=node_modules --exclude=dist --exclude='build*' -cf - src/registry/web | \
	  tar -C $(distdir) -xf -
	if test -f $(page_folder)/index.html && test $(page_folder) != $(page_missing); then \
	  cp -Rp $(page_folder) $(distdir)/src/registry/web/dist; \
	else \
	  echo "WARNING: $(distdir) has no ready-made page" >&2; \
	fi
.PHONY: clean-page dist-page
