# logger/: one line for each event.
pkglibexec_PROGRAMS += logger/logger
logger_logger_SOURCES = logger/main.c logger/syslog.c logger/syslog.h
logger_logger_LDADD = $(COMMON_LIBS)
