# What imapd/ builds.
