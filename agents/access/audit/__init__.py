"""Who did what on this node: an append-only chain of records, and its check."""
