"""One level of `extends`: a profile that says only how it differs from a file beside it. The files are composed before
anything is checked, and each value remembers which of them it stands in.

    base.yaml ─┐
    prod.yaml ─┴► composed ─► a Document that is complete: its text, too, needs no other file

They are merged key by key (profiles.text.merge). `gpuyard` and `profile` are each file's own: two profiles of one
base are two profiles.
"""

import re
from pathlib import Path

from profiles.text.document import Document, FileError
from profiles.text.merge import Merge, Part
from profiles.text.written import written
from profiles.text.yamltext import read

EXTENDS = "extends"
_OWN = frozenset({"gpuyard", "profile"})
_BESIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml")


def read_profile(path: Path) -> Document:
    """The file at `path` with what it extends written in. Raises FileError."""
    document = read(path)
    name = document.data.get(EXTENDS) if isinstance(document.data, dict) else None
    if not isinstance(name, str):
        return document
    if not _BESIDE.fullmatch(name):
        raise document.error((EXTENDS,), f"`{name}` is no file beside this one", "its name alone: `base.yaml`")
    try:
        base = read(path.with_name(name))
    except FileError as error:
        if error.line:
            raise
        raise document.error((EXTENDS,), f"{name} {error.message}", error.hint) from None
    return composed(base, document)


def composed(base: Document, over: Document) -> Document:
    """`over` with everything of `base` that it does not say itself. Raises FileError where `base` is no base."""
    if not isinstance(base.data, dict) or not isinstance(over.data, dict):
        raise base.error((), "only a mapping (key: value) can be extended")
    if EXTENDS in base.data:
        hint = f"write what it needs of `{base.data[EXTENDS]}` into it"
        raise base.error((EXTENDS,), "what is extended extends nothing itself", hint, at_key=True)
    if base.data.get("gpuyard") != over.data.get("gpuyard"):
        raise base.error(("gpuyard",), "both files have the same `gpuyard: …`", "write the one that this gpuyard reads")
    merge = Merge(over.source)
    theirs = {key: value for key, value in base.data.items() if key not in _OWN}
    data = merge.mapping((), Part(base, (), theirs), Part(over, (), over.data))
    del data[EXTENDS]
    text = f"# {Path(over.source).name}, with {Path(base.source).name} written in\n{written(data)}"
    return Document(over.source, data, merge.values, merge.keys, text)
