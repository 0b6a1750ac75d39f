"""What should be and what is, as types, and the pure decisions between them.

`profiles.load` is not imported here: a node never reads YAML.
"""
