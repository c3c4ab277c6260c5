# policy/: the daemon that is asked whether a session may go on.
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = \
	policy/delegation.c policy/delegation.h \
	policy/greybook.c policy/greybook.h \
	policy/greylist.c policy/greylist.h \
	policy/inquiry.c policy/inquiry.h \
	policy/milter_facts.c policy/milter_facts.h \
	policy/milter_filter.c policy/milter_filter.h \
	policy/milter_header.c policy/milter_header.h \
	policy/milter_protocol.c policy/milter_protocol.h \
	policy/milter_talk.c policy/milter_talk.h

pkglibexec_PROGRAMS += policy/policy
policy_policy_SOURCES = \
	policy/control.c policy/control.h \
	policy/dial.c policy/dial.h \
	policy/dnslists.c policy/dnslists.h \
	policy/greylisting.c policy/greylisting.h \
	policy/judges.c \
	policy/main.c \
	policy/milter.c policy/milter.h \
	policy/milter_link.c policy/milter_link.h \
	policy/milter_mail.c policy/milter_mail.h \
	policy/services.c policy/services.h
policy_policy_LDADD = libpolicy.a libmessage.a $(DB_LIBS) $(COMMON_LIBS)

dist_man_MANS += man/petrel-policy.8

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_policy
TESTS += tests/unit/test_policy
tests_unit_test_policy_SOURCES = tests/unit/policy/delegation.c \
	tests/unit/policy/dnslist.c \
	tests/unit/policy/greybook.c \
	tests/unit/policy/greylist.c \
	tests/unit/policy/milter_header.c \
	tests/unit/policy/milter_protocol.c \
	tests/unit/policy/milter_talk.c
tests_unit_test_policy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_LDADD = libpolicy.a libmessage.a $(DB_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_delegation
tests_fuzz_fuzz_delegation_LDADD = libpolicy.a $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_milter
tests_fuzz_fuzz_milter_LDADD = libpolicy.a libmessage.a $(FUZZ_LIBS)

# The real process, with a test in master's, smtpd's and resolver's place.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_policy_daemon
TESTS += tests/unit/test_policy_daemon
tests_unit_test_policy_daemon_SOURCES = tests/unit/daemon/policy.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_policy_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_policy_daemon_DEPENDENCIES = policy/policy$(EXEEXT)
endif
