"""Who is asking: a claim for the record of the nodes, the same from the screens and the command line."""

import getpass
import os


def author() -> str:
    """The login name; the number of a user that has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
