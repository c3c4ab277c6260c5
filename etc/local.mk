# etc/: what an administrator starts from.
petreldatadir = $(petrel_datadir)
dist_petreldata_DATA = etc/petrel.conf.sample etc/petrel.sysusers etc/fail2ban-petrel.conf
nodist_petreldata_DATA = etc/petrel.service
dist_petreldata_SCRIPTS = etc/create-users
EXTRA_DIST += etc/petrel.service.in packages packages.debian
CLEANFILES += etc/petrel.service

etc/petrel.service: etc/petrel.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && sed -e 's|@petrel_libexecdir[@]|$(petrel_libexecdir)|' -e 's|@petrel_confdir[@]|$(petrel_confdir)|' \
	  $(srcdir)/etc/petrel.service.in > $@
