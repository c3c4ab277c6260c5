# What etc/ builds.
