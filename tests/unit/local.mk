# A test of NOUN is tests/unit/test_NOUN.c. It goes into unit_tests, and
# tests_unit_test_NOUN_LDADD = $(LAYER_libs) $(CMOCKA_LIBS) links its own layer and those below, nothing above.
unit_tests =

if WITH_CMOCKA
check_PROGRAMS += $(unit_tests)
AM_CPPFLAGS += $(CMOCKA_CFLAGS)
endif
