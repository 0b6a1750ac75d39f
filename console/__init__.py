"""The terminal console and its command line."""
