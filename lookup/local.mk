# lookup/: the daemon that says who a recipient is.
noinst_LIBRARIES += liblookup.a
liblookup_a_SOURCES = \
	lookup/allowance.c lookup/allowance.h \
	lookup/directory.c lookup/directory.h \
	lookup/expand.c lookup/expand.h \
	lookup/lists.c lookup/lists.h \
	lookup/own.c lookup/own.h \
	lookup/resolve.c lookup/resolve.h \
	lookup/verdict.c lookup/verdict.h

pkglibexec_PROGRAMS += lookup/lookup
lookup_lookup_SOURCES = lookup/main.c
lookup_lookup_LDADD = liblookup.a $(TABLE_LIBS) $(ACCESS_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_lookup
TESTS += tests/unit/test_lookup
tests_unit_test_lookup_SOURCES = tests/unit/lookup/allowance.c tests/unit/lookup/expand.c tests/unit/lookup/lists.c \
	tests/unit/lookup/verdict.c \
	tests/unit/lookup/world.h
tests_unit_test_lookup_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lookup_LDADD = liblookup.a $(TABLE_LIBS) $(ACCESS_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

dist_man_MANS += man/petrel-lookup.8

# The real process, with a test in master's, smtpd's and qmgr's place.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_lookup_daemon
TESTS += tests/unit/test_lookup_daemon
tests_unit_test_lookup_daemon_SOURCES = tests/unit/daemon/lookup.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_lookup_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lookup_daemon_LDADD = $(TABLE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_lookup_daemon_DEPENDENCIES = lookup/lookup$(EXEEXT)
endif
