# The other end of the record engines' tests against OpenSSL and GnuTLS.
EXTRA_PROGRAMS += tests/support/raw_tls
tests_support_raw_tls_LDADD = $(tls_libs)
