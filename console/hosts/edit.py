"""Edits of an inventory file. Nothing here reaches a node: what runs there goes on.

    draft = Draft.open(path)  ──add, label, remove──►  draft.text  ──save──►  the file, if nobody else changed it

A draft is checked as a whole before it replaces the file. Comments, order and formatting of everything else stay.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from console.hosts import yamledit
from console.hosts.rewrite import content, rewrite
from console.hosts.yamledit import Value
from console.inventory import VERSION, Inventory, Node, loads
from profiles.text.document import Document, FileError, Where
from profiles.text.yamltext import read

_BOM = "\ufeff"
OWN_KEYS = ("site", "owner")
"""What `label` sets beside the labels: a node has these two as keys of its own."""


class Draft:
    """`text` is what the file would hold; None while there is neither a file nor a node."""

    def __init__(self, path: Path, before: bytes | None, text: str | None) -> None:
        self.path = path
        self.text = text
        self._before = before
        self._mark = _BOM if before is not None and before.startswith(_BOM.encode()) else ""

    @classmethod
    def open(cls, path: Path) -> "Draft":
        """Raises FileError. The file need not exist; it may lack nodes, but no more than that."""
        try:
            before = content(path)
            text = None if before is None else before.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FileError(str(path), 0, 0, "not UTF-8 text", "save it as UTF-8") from None
        except OSError as error:
            hint = "check the path and its rights"
            raise FileError(str(path), 0, 0, f"cannot be read: {error.strerror}", hint) from None
        if text is not None:
            read(text, str(path))
        return cls(path, before, text)

    @property
    def is_new(self) -> bool:
        """Whether saving makes the file."""
        return self._before is None

    @property
    def changed(self) -> bool:
        return self._encoded() != (self._before or b"")

    @property
    def names(self) -> list[str]:
        """Of the nodes that are in it now."""
        if self.text is None:
            return []
        data = self._document().data
        nodes = data.get("nodes") if isinstance(data, dict) else None
        return list(nodes) if isinstance(nodes, dict) else []

    def inventory(self) -> Inventory:
        """What it means. Raises FileError."""
        return loads(self.text or "", str(self.path))

    def add(self, nodes: Mapping[str, Node]) -> None:
        """Each on a line of its own behind the others. Raises FileError for a name that is there already."""
        for name in self.names:
            if name in nodes:
                raise self._document().error(
                    ("nodes", name), f"{name} is here already", "choose another name", at_key=True
                )
        entries = {name: plain(name, node) for name, node in nodes.items()}
        if self.text is None:
            lines = [f"  {yamledit.entry(name, node)}" for name, node in entries.items()]
            self.text = "\n".join([f"gpuyard: {VERSION}", "nodes:", *lines, ""])
        else:
            self.text = yamledit.put(self._document(), ("nodes",), entries)

    def label(self, name: str, words: Mapping[str, str | None]) -> None:
        """Set the labels of a node that `words` has, and take off those that are None. Raises FileError."""
        for key, value in words.items():
            owner: Where = ("nodes", name) if key in OWN_KEYS else ("nodes", name, "labels")
            if value is None:
                self._drop((*owner, key))
            else:
                self.text = yamledit.put(self._document(), owner, {key: value})

    def remove(self, name: str) -> None:
        """Take a node out, with the comments on its own lines. Raises FileError; absent is as good as removed."""
        if self.names == [name]:
            text = f"{name} is the only node here, and an inventory has at least one"
            raise self._document().error(("nodes", name), text, f"delete {self.path} instead", at_key=True)
        self._drop(("nodes", name))

    def save(self) -> None:
        """Raises FileError when it would not be an inventory, or the file was changed meanwhile; OSError."""
        if self.changed:
            self.inventory()
            rewrite(self.path, self._before, self._encoded())

    def _drop(self, where: Where) -> None:
        """An entry, and the labels with the last of them."""
        document = self._document()
        if where not in document.values:
            return
        self.text = yamledit.drop(document, where)
        if where[2:3] == ("labels",) and not any(len(one) > 3 and one[:3] == where[:3] for one in self._places()):
            self.text = yamledit.drop(self._document(), where[:3])

    def _places(self) -> list[Where]:
        return list(self._document().values)

    def _document(self) -> Document:
        return read(self.text or "", str(self.path))

    def _encoded(self) -> bytes:
        return b"" if self.text is None else (self._mark + self.text).encode()


def plain(name: str, node: Node) -> dict[str, Value]:
    """The keys of `node` that say something."""
    usual = msgspec.to_builtins(Node(address=name))
    said: dict[str, Value] = msgspec.to_builtins(node)
    return {key: value for key, value in said.items() if value != usual[key] and value != ""}


def complaint(name: str, node: Node) -> str:
    """Why an inventory cannot have this node; "" when it can."""
    try:
        loads(f"gpuyard: {VERSION}\nnodes: {{{yamledit.entry(name, plain(name, node))}}}\n", name)
    except FileError as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return ""
