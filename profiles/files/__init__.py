"""A profile's file, read into what should be or refused with its place. No node imports this: it reads YAML."""
