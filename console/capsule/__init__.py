"""A window of the past as one file, and the way to look at it again: pack, gather, moment, replay."""
