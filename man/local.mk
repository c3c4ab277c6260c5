# What man/ builds.
