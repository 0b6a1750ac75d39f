"""What no instance may have. Files are checked with these rules on the console, and every edit on its node."""

import ipaddress
import re
from pathlib import PurePath

from engines.options import unfit

MIN_PORT, MAX_PORT = 1024, 65535

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FORBIDDEN = re.compile(r"LD_(?!LIBRARY_PATH$).*|PYTHON.*|GPUYARD_.*|PATH|BASH_ENV|ENV|IFS|GCONV_PATH|NODE_OPTIONS")
"""Variables by which an edit could run other code than the engine. LD_LIBRARY_PATH is let through: builds of
llama.cpp need it to find their own libraries."""


class NotAllowed(ValueError):
    """`message` says what may not be, `hint` what may."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def check_port(port: int) -> None:
    """Raises NotAllowed."""
    if not MIN_PORT <= port <= MAX_PORT:
        raise NotAllowed(f"{port} is no port for an engine", f"{MIN_PORT} to {MAX_PORT}, or leave it to the node")


def is_address(text: str) -> bool:
    """Whether a gateway may be told to listen there: one IPv4 address, not all of them."""
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_multicast)


def served_name(model: str, served_as: str = "") -> str:
    """What an engine is to call `model`: as it is told, else by its own name, of a path its file. Raises NotAllowed for
    what is no word of a command."""
    if not model.strip():
        raise NotAllowed("the model is empty", "a model's name, or the path of its file")
    own = PurePath(model).name.removesuffix(".gguf") if model.startswith("/") else model
    served = served_as or own
    if problem := unfit(model) or unfit(served) or ("" if served else "it has no name"):
        raise NotAllowed(f"model: {problem}", "rename it")
    return served


def check_variable(name: str) -> None:
    """Raises NotAllowed."""
    if not _VARIABLE.fullmatch(name):
        raise NotAllowed(f"`{name}` cannot name a variable", "letters, digits and `_`, not a digit first")
    if _FORBIDDEN.fullmatch(name):
        raise NotAllowed(f"{name} may not be set", "it would change what is executed")


def check_value(name: str, value: str) -> None:
    """Of the variable `name`. Raises NotAllowed."""
    if "\0" in value:
        raise NotAllowed(f"the value of {name} holds a NUL", "no environment can")
