# access/: access rules, as pure functions.  It stands on message/ and table/'s names.
noinst_LIBRARIES += libaccess.a
libaccess_a_SOURCES = \
	access/evaluate.c \
	access/match.c \
	access/parse.c \
	access/private.h \
	access/rules.h
ACCESS_LIBS = libaccess.a libmessage.a $(SPELLING_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_access
TESTS += tests/unit/test_access
tests_unit_test_access_SOURCES = tests/unit/access/rules.c
tests_unit_test_access_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_access_LDADD = $(ACCESS_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_access_rules
tests_fuzz_fuzz_access_rules_LDADD = $(ACCESS_LIBS) $(FUZZ_LIBS)
