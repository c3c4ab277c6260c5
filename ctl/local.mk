# What ctl/ builds.
