# man/: one page for each command, daemon and file format.
dist_man_MANS += \
	man/petrel-logger.8 \
	man/petrel-master.8 \
	man/petrel.8 \
	man/sendmail.1
man_MANS += man/petrel.conf.5
EXTRA_DIST += man/petrel.conf.5.in
CLEANFILES += man/petrel.conf.5

# The list of settings comes from the table that the parser uses.
man/petrel.conf.5: man/petrel.conf.5.in ctl/petrel$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./ctl/petrel config --mdoc > $@.settings && \
	  sed -e '/@SETTINGS@/{r $@.settings' -e 'd;}' $(srcdir)/man/petrel.conf.5.in > $@ && rm -f $@.settings

# mailq(1) and newaliases(1) are on sendmail's page.
install-data-hook:
	cd "$(DESTDIR)$(man1dir)" && ln -sf sendmail.1 mailq.1 && ln -sf sendmail.1 newaliases.1
