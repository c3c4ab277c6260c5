# What master/ builds.
