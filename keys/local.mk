# What keys/ builds.
noinst_LIBRARIES += libkeyring.a
libkeyring_a_SOURCES = keys/keyring.c keys/keyring.h

pkglibexec_PROGRAMS += keys/keys
keys_keys_SOURCES = keys/chains.c keys/chains.h keys/main.c keys/signers.c keys/signers.h keys/tickets.c keys/tickets.h
keys_keys_LDADD = libkeyring.a $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_tls
TESTS += tests/unit/test_tls
tests_unit_test_tls_SOURCES = tests/unit/tls/pair.c tests/unit/tls/pair.h tests/unit/tls/keyring.c \
	tests/unit/tls/plain.c tests/unit/tls/secure.c
tests_unit_test_tls_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_tls_LDADD = libkeyring.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

dist_man_MANS += man/petrel-keys.8
