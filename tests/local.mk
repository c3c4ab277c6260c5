# What tests/ builds.
