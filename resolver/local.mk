# resolver/: the daemon that asks the DNS for all others.
noinst_LIBRARIES += libresolver.a
libresolver_a_SOURCES = \
	resolver/answer.c resolver/answer.h \
	resolver/nameservers.c resolver/nameservers.h

pkglibexec_PROGRAMS += resolver/resolver
resolver_resolver_SOURCES = \
	resolver/dns.c resolver/dns.h \
	resolver/main.c \
	resolver/question.c resolver/question.h \
	resolver/records.c resolver/records.h
resolver_resolver_CPPFLAGS = $(AM_CPPFLAGS) $(UNBOUND_CFLAGS)
resolver_resolver_LDADD = libresolver.a $(UNBOUND_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_resolver
TESTS += tests/unit/test_resolver
tests_unit_test_resolver_SOURCES = tests/unit/resolver/answer.c tests/unit/resolver/nameservers.c
tests_unit_test_resolver_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_resolver_LDADD = libresolver.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_resolver_answer
tests_fuzz_fuzz_resolver_answer_LDADD = libresolver.a $(FUZZ_LIBS)

dist_man_MANS += man/petrel-resolver.8

# The real process, with a test in master's, smtpd's and a name server's place.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_resolver_daemon
TESTS += tests/unit/test_resolver_daemon
tests_unit_test_resolver_daemon_SOURCES = tests/unit/daemon/resolver.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_resolver_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_resolver_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_resolver_daemon_DEPENDENCIES = resolver/resolver$(EXEEXT)
endif
