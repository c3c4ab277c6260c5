# etc/: what an administrator starts from, and what other programs of the host know Petrel by.
petrelconfdir = $(petrel_confdir)
dist_petrelconf_DATA = etc/petrel.conf.sample etc/milters.conf.sample
petreldatadir = $(petrel_datadir)
dist_petreldata_DATA = etc/fail2ban-petrel.conf
dist_petreldata_SCRIPTS = etc/create-users
EXTRA_DIST += etc/petrel.service.in etc/sysusers.conf etc/completion.bash packages packages.debian

# systemd and bash look below /usr and /usr/local; elsewhere these files are there to be copied.
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = etc/petrel.service
CLEANFILES += etc/petrel.service
sysusersdir = $(prefix)/lib/sysusers.d
completionsdir = $(datadir)/bash-completion/completions

etc/petrel.service: etc/petrel.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && sed -e 's|@sbindir[@]|$(sbindir)|' -e 's|@petrel_confdir[@]|$(petrel_confdir)|' \
	  $(srcdir)/etc/petrel.service.in > $@

# These are found by the name of the program.
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(completionsdir)"
	$(INSTALL_DATA) $(srcdir)/etc/sysusers.conf "$(DESTDIR)$(sysusersdir)/petrel.conf"
	$(INSTALL_DATA) $(srcdir)/etc/completion.bash "$(DESTDIR)$(completionsdir)/petrel"

uninstall-local:
	rm -f "$(DESTDIR)$(sysusersdir)/petrel.conf" "$(DESTDIR)$(completionsdir)/petrel"
