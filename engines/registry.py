"""Find adapters by file name; import one at a time."""

import importlib
import pkgutil
from difflib import get_close_matches
from functools import cache

from engines import adapters
from engines.base import Engine, UnknownEngine


@cache
def names() -> tuple[str, ...]:
    """Every adapter's name, without importing any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(adapters.__path__)))


@cache
def get(name: str) -> Engine:
    """The adapter called `name`. Raises UnknownEngine, which lists the known ones."""
    if name not in names():
        close = get_close_matches(name, names(), n=1)
        meant = f"did you mean `{close[0]}`? " if close else ""
        raise UnknownEngine(f"no engine is called `{name}`", f"{meant}known: {', '.join(names())}")
    engine: Engine = importlib.import_module(f"engines.adapters.{name}").ENGINE
    return engine
