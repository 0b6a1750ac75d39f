"""Text that people write, and what it may hold: documents with the place of each value, names, units, selectors."""
