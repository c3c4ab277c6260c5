# What smtpd/ builds.
