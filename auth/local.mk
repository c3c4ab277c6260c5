# What auth/ builds.
