"""Which nodes there are and how to reach them. Plain data; nothing here connects.

gpuyard: 1
nodes:
  fra-1: {site: fra, labels: {rack: a3}}
  fra-2: {address: 10.0.0.2, port: 2222, user: ops, identity_file: ~/.ssh/yard, site: fra}
  here: {local: true}
"""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from console.directories import config_directory
from profiles.text.conform import convert
from profiles.text.document import Document, FileError
from profiles.text.yamltext import read

VERSION = 1

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One host. `address` is what one would give to `ssh`, an alias of the ssh config included.

    What is left out is taken from the ssh config. `agent` is the path of gpuyard-agent and `socket` that of
    the daemon's socket on the node, where the usual search does not find them. A `local` node is this machine.
    """

    address: str = ""
    port: int | None = None
    user: str | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
    """A file with the node's host key, beside the usual ones."""
    site: str = ""
    owner: str = ""
    """Who answers for it: a team, or a person."""
    labels: dict[str, str] = {}
    agent: str | None = None
    socket: str | None = None
    local: bool = False


class Inventory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The nodes by name; every node has an `address` once it comes from `load` or `local`."""

    nodes: dict[str, Node]
    gpuyard: int = VERSION


def load(path: Path) -> Inventory:
    """The inventory in a YAML file. Raises FileError with line and column."""
    return _inventory(read(path))


def loads(text: str, source_name: str) -> Inventory:
    """The same of a text, which `source_name` is said to hold."""
    return _inventory(read(text, source_name))


def _inventory(document: Document) -> Inventory:
    inventory = convert(document, Inventory)
    _check(document, inventory)
    return replace(
        inventory,
        nodes={name: node if node.address else replace(node, address=name) for name, node in inventory.nodes.items()},
    )


def local() -> Inventory:
    """This machine alone, reached without ssh."""
    name = socket.gethostname().partition(".")[0]
    if not _NAME.fullmatch(name):
        name = "localhost"
    return Inventory(nodes={name: Node(address=name, local=True)})


def at_site(inventory: Inventory, site: str) -> Inventory:
    """The part of `inventory` that is at `site`. Raises KeyError with the sites that there are."""
    nodes = {name: node for name, node in inventory.nodes.items() if node.site == site}
    if not nodes:
        raise KeyError(*sorted({node.site for node in inventory.nodes.values() if node.site}))
    return replace(inventory, nodes=nodes)


def labelled(inventory: Inventory, terms: Sequence[str]) -> Inventory:
    """The part of which all `terms` hold: `KEY=VALUE`, or `KEY` alone. `site` and `owner` count as labels.

    Raises KeyError with the first term that leaves nothing, and the values that its key has.
    """
    nodes = inventory.nodes
    for term in terms:
        key, equals, value = term.partition("=")
        found = {name: labels[key] for name, node in nodes.items() if key in (labels := labels_of(node))}
        nodes = {name: node for name, node in nodes.items() if name in found and (not equals or found[name] == value)}
        if not nodes:
            raise KeyError(term, *sorted(set(found.values())))
    return replace(inventory, nodes=nodes)


class Labelled(Protocol):
    """What labels are read from: a node of the inventory, or the view of one."""

    @property
    def site(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


def labels_of(node: Labelled) -> dict[str, str]:
    """Its labels, and what it has of a site and an owner under those names."""
    own = {"site": node.site, "owner": node.owner}
    return {**node.labels} | {key: value for key, value in own.items() if value}


def find(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the inventory is kept unless `--inventory` says otherwise; it need not exist."""
    return config_directory(environ) / "inventory.yaml"


def _check(document: Document, inventory: Inventory) -> None:
    if inventory.gpuyard != VERSION:
        hint = f"write `gpuyard: {VERSION}`, or upgrade gpuyard"
        raise document.error(("gpuyard",), f"version {inventory.gpuyard} of this file is not known", hint)
    if not inventory.nodes:
        raise document.error(("nodes",), "no node is listed", "add one: `fra-1: {address: fra-1.example}`")
    for name, node in inventory.nodes.items():
        _check_node(document, name, node)


def _check_node(document: Document, name: str, node: Node) -> None:
    if not _NAME.fullmatch(name):
        hint = "letters, digits, `.`, `_` and `-`, at most 63"
        raise document.error(("nodes", name), f"`{name}` cannot name a node", hint, at_key=True)
    if node.port is not None and not 0 < node.port < 65536:
        raise document.error(("nodes", name, "port"), f"{node.port} is no port", "1 to 65535")
    if node.address.startswith("-") or any(sign.isspace() for sign in node.address):
        raise _field_error(document, name, "address", f"`{node.address}` is no address", "a host name or an address")
    if "@" in node.address:
        raise _field_error(document, name, "address", "the user is part of the address", "write it as `user: …`")
    for field, path in (("agent", node.agent), ("socket", node.socket)):
        if path is not None and not path.startswith("/"):
            raise _field_error(document, name, field, f"`{path}` is no absolute path", "begin it with `/`")


def _field_error(document: Document, node: str, field: str, message: str, hint: str) -> FileError:
    return document.error(("nodes", node, field), message, hint)
