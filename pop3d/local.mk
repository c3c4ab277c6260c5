# pop3d/: POP3 before login (pop3d) and after it (pop3-session).
pkglibexec_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = pop3d/commands.c pop3d/login.h pop3d/main.c pop3d/session.c
pop3d_pop3d_LDADD = $(FRONT_LIBS) $(COMMON_LIBS)
dist_man_MANS += man/petrel-pop3d.8
