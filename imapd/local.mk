# imapd/: IMAP before login (imapd) and after it (imap-session).
noinst_LIBRARIES += libimap.a
libimap_a_SOURCES = \
	imapd/capability.c imapd/capability.h \
	imapd/gather.c imapd/gather.h \
	imapd/id.c imapd/id.h \
	imapd/session/envelope.c imapd/session/envelope.h \
	imapd/session/fetch_items.c imapd/session/fetch_items.h \
	imapd/session/pattern.c imapd/session/pattern.h \
	imapd/session/search.h imapd/session/search_match.c imapd/session/search_parse.c \
	imapd/syntax.c imapd/syntax.h

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_imapd
TESTS += tests/unit/test_imapd
tests_unit_test_imapd_SOURCES = \
	tests/unit/imapd/gather.c \
	tests/unit/imapd/search.c \
	tests/unit/imapd/syntax.c \
	tests/unit/imapd/words.c
tests_unit_test_imapd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_imapd_LDADD = libimap.a libmessage.a $(COMMON_LIBS) $(UNIT_LIBS)
endif
pkglibexec_PROGRAMS += imapd/imapd
imapd_imapd_SOURCES = imapd/commands.c imapd/login.h imapd/main.c imapd/session.c
imapd_imapd_LDADD = libimap.a $(FRONT_LIBS) $(COMMON_LIBS)
dist_man_MANS += man/petrel-imapd.8

FUZZ_TARGETS += tests/fuzz/fuzz_imap_command
tests_fuzz_fuzz_imap_command_LDADD = libimap.a libmessage.a $(FUZZ_LIBS)
