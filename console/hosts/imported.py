"""What another program's list of hosts says of them, and what of it was left out."""

from typing import NamedTuple

from console.inventory import Node


class LeftOut(NamedTuple):
    """Something of the list that did not become a node, or not whole."""

    what: str
    why: str


class Imported(NamedTuple):
    """`nodes` by the names that the list has."""

    nodes: dict[str, Node]
    left_out: list[LeftOut]
