# What store/ builds.
