# What pop3d/ builds.
