# ctl/: the commands that people and programs run.
sbin_PROGRAMS += ctl/petrel
ctl_petrel_SOURCES = \
	ctl/certificate.c ctl/certificate.h \
	ctl/check.c ctl/check.h \
	ctl/check_tls.c \
	ctl/config.c \
	ctl/connection.c \
	ctl/ctl.h \
	ctl/domains.c \
	ctl/edit.c ctl/edit.h \
	ctl/greylist.c \
	ctl/main.c \
	ctl/output.c \
	ctl/program.c \
	ctl/queue.c \
	ctl/suite.c \
	ctl/table.c \
	ctl/test.c \
	ctl/trace.c \
	ctl/trial.c ctl/trial.h \
	ctl/user.c \
	master/directories.c master/directories.h \
	master/listeners.c master/listeners.h \
	master/table.c master/table.h \
	master/tls_files.c master/tls_files.h
ctl_petrel_LDADD = $(AUTH_LIBS) libkeyring.a liblookup.a $(TABLE_LIBS) $(ACCESS_LIBS) $(COMMON_LIBS)

sbin_PROGRAMS += ctl/sendmail
ctl_sendmail_SOURCES = \
	ctl/connection.c \
	ctl/ctl.h \
	ctl/program.c \
	ctl/sendmail.c \
	ctl/submission.c ctl/submission.h \
	ctl/submit.c
ctl_sendmail_LDADD = $(ACCESS_LIBS) $(COMMON_LIBS)

# mailq and newaliases are sendmail by other names, and lib/ is where old programs look for it.  sendmail belongs to the group
# that may put mail into drop/; where there is no such group yet (a package's build
# host), whoever installs the package has to see to it.
install-exec-hook:
	$(MKDIR_P) "$(DESTDIR)$(bindir)"
	ln -sf "$(sbindir)/sendmail" "$(DESTDIR)$(bindir)/mailq"
	ln -sf "$(sbindir)/sendmail" "$(DESTDIR)$(bindir)/newaliases"
	$(MKDIR_P) "$(DESTDIR)$(prefix)/lib"
	ln -sf "$(sbindir)/sendmail" "$(DESTDIR)$(prefix)/lib/sendmail"
	-if test `id -u` = 0 && getent group petreldrop >/dev/null; then \
	  chgrp petreldrop "$(DESTDIR)$(sbindir)/sendmail" && chmod 2755 "$(DESTDIR)$(sbindir)/sendmail"; \
	fi

uninstall-hook:
	rm -f "$(DESTDIR)$(prefix)/lib/sendmail"
	rm -f "$(DESTDIR)$(bindir)/mailq" "$(DESTDIR)$(bindir)/newaliases"
	rm -f "$(DESTDIR)$(man1dir)/mailq.1" "$(DESTDIR)$(man1dir)/newaliases.1"
	rmdir "$(DESTDIR)$(pkglibexecdir)" "$(DESTDIR)$(petreldatadir)" 2>/dev/null || :
	rmdir "$(DESTDIR)$(petrelconfdir)" 2>/dev/null || : # unless somebody's configuration is there
