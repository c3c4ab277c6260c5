# ctl/: the commands that people and programs run.
sbin_PROGRAMS += ctl/petrel
ctl_petrel_SOURCES = \
	ctl/check.c \
	ctl/config.c \
	ctl/connection.c \
	ctl/ctl.h \
	ctl/edit.c ctl/edit.h \
	ctl/main.c \
	ctl/output.c \
	ctl/queue.c \
	ctl/suite.c \
	ctl/table.c \
	ctl/trace.c \
	ctl/user.c \
	master/listeners.c master/listeners.h \
	master/table.c master/table.h
ctl_petrel_LDADD = $(AUTH_LIBS) $(TABLE_LIBS) $(COMMON_LIBS)
