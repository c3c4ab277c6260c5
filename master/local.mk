# master/: the process that starts all others.
pkglibexec_PROGRAMS += master/master
master_master_SOURCES = \
	master/admin.c master/admin.h \
	master/background.c master/background.h \
	master/certificates.c master/certificates.h \
	master/children.c master/children.h \
	master/directories.c master/directories.h \
	master/hangup.c master/hangup.h \
	master/links.c master/links.h \
	master/listeners.c master/listeners.h \
	master/main.c \
	master/services.c master/services.h \
	master/sessions.c master/sessions.h \
	master/table.c master/table.h \
	master/tls_files.c master/tls_files.h
master_master_LDADD = $(ACCESS_LIBS) $(COMMON_LIBS)
