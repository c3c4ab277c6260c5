# What logger/ builds.
