# What message/ builds.
