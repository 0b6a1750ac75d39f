"""`python -m agents.root`."""

import sys

from agents.root.program import command

if __name__ == "__main__":
    sys.exit(command())
