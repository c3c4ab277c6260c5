# What keys/ builds.
