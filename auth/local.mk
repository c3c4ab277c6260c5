# What auth/ builds.

# Credentials, for the daemon and for the control command.
noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = auth/beacons.c auth/beacons.h \
	auth/certificates.c auth/certificates.h \
	auth/credential.c auth/credentials.c auth/credentials.h \
	auth/password.c auth/password.h \
	auth/proof.c auth/proof.h \
	auth/scram.c auth/scram.h
AUTH_LIBS = libauth.a libmessage.a $(SPELLING_LIBS) $(CRYPT_LIBS)

pkglibexec_PROGRAMS += auth/auth
auth_auth_SOURCES = \
	auth/attempt.c auth/attempt.h auth/attempt_private.h \
	auth/cache.c auth/cache.h \
	auth/conversation.c \
	auth/external.c auth/external.h \
	auth/file.c auth/file.h \
	auth/main.c \
	auth/secret.c auth/secret.h \
	auth/throttle.c auth/throttle.h \
	auth/token.c auth/token.h \
	auth/watched.c auth/watched.h \
	auth/workers.c auth/workers.h
auth_auth_LDADD = $(AUTH_LIBS) $(TABLE_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_auth
TESTS += tests/unit/test_auth
tests_unit_test_auth_SOURCES = \
	tests/unit/auth/beacons.c \
	tests/unit/auth/cache.c auth/cache.c \
	tests/unit/auth/certificates.c \
	tests/unit/auth/channel.c \
	tests/unit/auth/credentials.c \
	tests/unit/auth/file.c auth/file.c auth/watched.c \
	tests/unit/auth/password.c \
	tests/unit/auth/proof.c tests/unit/tls/pair.c tests/unit/tls/pair.h \
	tests/unit/tls/witnessed.c tests/unit/tls/witnessed.h \
	tests/unit/auth/scram.c \
	tests/unit/auth/secret.c auth/secret.c \
	tests/unit/auth/throttle.c auth/throttle.c \
	tests/unit/auth/workers.c auth/workers.c
tests_unit_test_auth_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_auth_LDADD = $(AUTH_LIBS) libkeyring.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_credentials tests/fuzz/fuzz_proof tests/fuzz/fuzz_scram
tests_fuzz_fuzz_proof_LDADD = $(AUTH_LIBS) $(FUZZ_LIBS)
tests_fuzz_fuzz_scram_LDADD = $(AUTH_LIBS) $(FUZZ_LIBS)
tests_fuzz_fuzz_credentials_LDADD = $(AUTH_LIBS) $(FUZZ_LIBS)

# The real processes auth, keys and smtpd (for its TLS), with a test in master's place.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_daemon
TESTS += tests/unit/test_daemon
tests_unit_test_daemon_SOURCES = tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h \
	tests/unit/daemon/auth.c tests/unit/daemon/external.c tests/unit/daemon/keys.c \
	tests/unit/daemon/process.c tests/unit/daemon/tls.c \
	tests/unit/tls/pair.c tests/unit/tls/pair.h \
	tests/unit/tls/witnessed.c tests/unit/tls/witnessed.h
tests_unit_test_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_daemon_LDADD = $(AUTH_LIBS) libkeyring.a $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_daemon_DEPENDENCIES = auth/auth$(EXEEXT) keys/keys$(EXEEXT) \
	smtpd/smtpd$(EXEEXT)
endif

dist_man_MANS += man/petrel-auth.8
