"""Slices made real: one file a mechanism, each with the members of `mechanism.Mechanism`."""
