"""One file an engine; `engines.registry` finds them by name."""
