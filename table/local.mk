# What table/ builds.
