"""`gpuyard node label`: labels of nodes set and taken off, in the inventory file."""

import argparse
from collections.abc import Sequence

from console.cli.applying import check_may_change
from console.cli.editing import draft_of, told
from console.cli.output import CommandFailed, Exit, Format, print_json
from console.cli.table import print_table
from console.inventory import Node
from console.render.nodes import label_words
from console.render.table import Cell, Column
from profiles.observed.status import Reason

COLUMNS = (
    Column("node", "Node", 8, priority=1, names=True),
    Column("site", "Site", 4, priority=2),
    Column("owner", "Owner", 5, priority=2),
    Column("labels", "Labels", 10, priority=1, grow=True),
)


def run(options: argparse.Namespace) -> int:
    """Nodes, then `KEY=VALUE` and `KEY-`; `site` and `owner` are keys of the node itself. All of it or nothing."""
    check_may_change(options)
    names, words = _split(options.words)
    with told():
        draft = draft_of(options)
        if lacking := [name for name in names if name not in draft.names]:
            hint = "`gpuyard node add` takes a host into the inventory"
            raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {', '.join(lacking)}", hint))
        for name in names:
            draft.label(name, words)
        nodes = draft.inventory().nodes
        draft.save()
    _show({name: nodes[name] for name in names}, Format(options.output))
    return Exit.DONE


def _split(written: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
    """The nodes, and label → value or None. A node's name has no `=` and no `-` at its end. Raises CommandFailed."""
    names, words = list[str](), dict[str, str | None]()
    for word in written:
        key, equals, value = word.partition("=")
        if equals:
            words[key] = value
        elif word.endswith("-"):
            words[word.removesuffix("-")] = None
        else:
            names.append(word)
    if not names or not words or "" in words:
        hint = "`gpuyard node label fra-1 pool=chat old-`"
        raise CommandFailed(Exit.USAGE, Reason("usage", "name nodes and labels", hint))
    return names, words


def _show(nodes: dict[str, Node], output: Format) -> None:
    match output:
        case Format.JSON:
            items = [{"name": name, "site": one.site, "owner": one.owner, "labels": one.labels}
                     for name, one in nodes.items()]  # fmt: skip
            print_json("labels", items)
        case Format.NAME:
            print("\n".join(nodes))
        case _:
            rows = [(Cell(name), Cell(one.site), Cell(one.owner), Cell(label_words(one.labels)))
                    for name, one in nodes.items()]  # fmt: skip
            print_table(COLUMNS, rows, wide=output is Format.WIDE)
