"""GPUs as things to share: the ledger in MiB, shares, and MIG from one layout to another. Pure."""
