# What delivery/ builds.
