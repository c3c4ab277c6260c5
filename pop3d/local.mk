# pop3d/: POP3 before login (pop3d) and after it (pop3-session).
pkglibexec_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = pop3d/commands.c pop3d/login.h pop3d/main.c pop3d/session.c
pop3d_pop3d_LDADD = $(FRONT_LIBS) $(COMMON_LIBS)
dist_man_MANS += man/petrel-pop3-session.8 man/petrel-pop3d.8

# After login: a process for each user.
noinst_LIBRARIES += libpop3.a
libpop3_a_SOURCES = \
	pop3d/session/answers.c \
	pop3d/session/commands.c \
	pop3d/session/maildrop.h \
	pop3d/session/multiline.c pop3d/session/multiline.h \
	pop3d/session/session.c
pkglibexec_PROGRAMS += pop3d/pop3-session
pop3d_pop3_session_SOURCES = pop3d/session/main.c
pop3d_pop3_session_LDADD = libpop3.a $(STORE_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_pop3d
TESTS += tests/unit/test_pop3d
tests_unit_test_pop3d_SOURCES = \
	tests/unit/pop3d/dialogue.c \
	tests/unit/pop3d/multiline.c
tests_unit_test_pop3d_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pop3d_LDADD = libpop3.a $(STORE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif
