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

pkglibexec_PROGRAMS += imapd/session/imap-session
imapd_session_imap_session_SOURCES = \
	imapd/session/announce.c \
	imapd/session/append.c \
	imapd/session/change.c \
	imapd/session/commands.c imapd/session/commands.h \
	imapd/session/connection.c imapd/session/connection.h \
	imapd/session/fetch.c imapd/session/fetch.h \
	imapd/session/find.c \
	imapd/session/idle.c \
	imapd/session/list.c \
	imapd/session/list_parse.c imapd/session/list.h \
	imapd/session/mailboxes.c \
	imapd/session/main.c \
	imapd/session/reading.c imapd/session/reading.h \
	imapd/session/search_bind.c \
	imapd/session/section.c imapd/session/section.h \
	imapd/session/status.c
imapd_session_imap_session_LDADD = libimap.a $(STORE_LIBS) $(COMMON_LIBS)
dist_man_MANS += man/petrel-imap-session.8
