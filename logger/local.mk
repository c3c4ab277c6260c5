# logger/: one line for each event.
pkglibexec_PROGRAMS += logger/logger
logger_logger_SOURCES = logger/main.c logger/syslog.c logger/syslog.h
logger_logger_LDADD = $(COMMON_LIBS)

# The real process, with a test in the place of those who log.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_logger_daemon
TESTS += tests/unit/test_logger_daemon
tests_unit_test_logger_daemon_SOURCES = tests/unit/daemon/logger.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_logger_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_logger_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_logger_daemon_DEPENDENCIES = logger/logger$(EXEEXT)
endif
