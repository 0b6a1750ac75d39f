"""`python -m agents.gpus`: the reader process."""

import sys

from agents.gpus.child import main

sys.exit(main(sys.argv[1:]))
