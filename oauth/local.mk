# oauth/: the process that asks whether a token is good.
noinst_LIBRARIES += liboauth.a
liboauth_a_SOURCES = \
	oauth/answer.c oauth/answer.h \
	oauth/cache.c oauth/cache.h
liboauth_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
OAUTH_LIBS = liboauth.a $(JANSSON_LIBS)

pkglibexec_PROGRAMS += oauth/oauth
oauth_oauth_SOURCES = \
	oauth/https.c oauth/https.h \
	oauth/main.c \
	oauth/question.c oauth/question.h \
	oauth/server.c oauth/server.h
oauth_oauth_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
oauth_oauth_LDADD = $(OAUTH_LIBS) $(CURL_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_oauth
TESTS += tests/unit/test_oauth
tests_unit_test_oauth_SOURCES = tests/unit/oauth/answer.c tests/unit/oauth/cache.c
tests_unit_test_oauth_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_oauth_LDADD = $(OAUTH_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_oauth_answer
tests_fuzz_fuzz_oauth_answer_LDADD = $(OAUTH_LIBS) $(FUZZ_LIBS)

dist_man_MANS += man/petrel-oauth.8
