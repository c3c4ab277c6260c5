# smtpd/: the SMTP server.  All but main() and the channels is a library, so that
# tests and the fuzzer drive a session without other processes.
noinst_LIBRARIES += libsmtpd.a
libsmtpd_a_SOURCES = \
	smtpd/auth.c smtpd/auth.h \
	smtpd/chunk.c smtpd/chunk.h \
	smtpd/client.c smtpd/client.h \
	smtpd/commands.c smtpd/commands.h \
	smtpd/content.c smtpd/content.h \
	smtpd/data.c smtpd/data.h \
	smtpd/delay.c smtpd/delay.h \
	smtpd/fields.c smtpd/fields.h \
	smtpd/filter.c smtpd/filter.h \
	smtpd/gate.c smtpd/gate.h \
	smtpd/house.h \
	smtpd/limits.c smtpd/limits.h \
	smtpd/parameters.c smtpd/parameters.h \
	smtpd/recipients.c smtpd/recipients.h \
	smtpd/reply.c smtpd/reply.h \
	smtpd/rules.c smtpd/rules.h \
	smtpd/session.c smtpd/session.h \
	smtpd/submit.c smtpd/submit.h \
	smtpd/transaction.c smtpd/transaction.h \
	smtpd/wishes.c smtpd/wishes.h \
	smtpd/xclient.c smtpd/xclient.h

pkglibexec_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = smtpd/main.c \
	smtpd/peers.c smtpd/peers.h \
	smtpd/spool.c smtpd/spool.h
smtpd_smtpd_LDADD = libsmtpd.a $(ACCESS_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_smtpd
TESTS += tests/unit/test_smtpd
tests_unit_test_smtpd_SOURCES = \
	tests/unit/smtpd/auth.c \
	tests/unit/smtpd/chunk.c \
	tests/unit/smtpd/client.c \
	tests/unit/smtpd/content.c \
	tests/unit/smtpd/dialogue.c tests/unit/smtpd/dialogue.h \
	tests/unit/smtpd/fake_house.c tests/unit/smtpd/fake_house.h \
	tests/unit/smtpd/gate.c \
	tests/unit/smtpd/limits.c \
	tests/unit/smtpd/delay.c \
	tests/unit/smtpd/parameters.c \
	tests/unit/smtpd/rules.c \
	tests/unit/smtpd/wishes.c \
	tests/unit/smtpd/session.c \
	tests/unit/smtpd/submit.c \
	tests/unit/smtpd/tls.c \
	tests/unit/smtpd/xclient.c \
	tests/unit/tls/pair.c tests/unit/tls/pair.h
tests_unit_test_smtpd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_smtpd_LDADD = libsmtpd.a $(ACCESS_LIBS) libkeyring.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_smtpd_session
tests_fuzz_fuzz_smtpd_session_SOURCES = tests/fuzz/fuzz_smtpd_session.c \
	tests/unit/smtpd/fake_house.c tests/unit/smtpd/fake_house.h
tests_fuzz_fuzz_smtpd_session_LDADD = libsmtpd.a $(ACCESS_LIBS) $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_smtpd_content
tests_fuzz_fuzz_smtpd_content_SOURCES = tests/fuzz/fuzz_smtpd_content.c
tests_fuzz_fuzz_smtpd_content_LDADD = libsmtpd.a $(ACCESS_LIBS) $(FUZZ_LIBS)

dist_man_MANS += man/petrel-smtpd.8

# The real process, with a test in master's, qmgr's and lookup's place.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_smtpd_daemon
TESTS += tests/unit/test_smtpd_daemon
tests_unit_test_smtpd_daemon_SOURCES = tests/unit/daemon/smtpd.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_smtpd_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_smtpd_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_smtpd_daemon_DEPENDENCIES = smtpd/smtpd$(EXEEXT)
endif
