# The other end of the record engines' tests against OpenSSL and GnuTLS.
EXTRA_PROGRAMS += tests/support/raw_tls
tests_support_raw_tls_LDADD = $(tls_libs)

# Preloaded into the sidecars to count their allocations; automake makes no plain shared objects.
tests/support/count_malloc.so: tests/support/count_malloc.c
	$(AM_V_CC)$(MKDIR_P) tests/support && $(CC) -O2 -shared -fPIC -o $@ $(srcdir)/tests/support/count_malloc.c
CLEANFILES += tests/support/count_malloc.so
