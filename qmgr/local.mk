# What qmgr/ builds.
