# What resolver/ builds.
