# What lookup/ builds.
