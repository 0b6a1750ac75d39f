"""`gpuyard node trust`: host keys that a reviewed list vouches for are stored, once the hosts have shown them.

Without a list, the keys that hosts show and nobody vouches for are printed as such a list, to be reviewed.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from console.cli.applying import check_may_change
from console.cli.editing import told
from console.cli.outcome import outcome
from console.cli.output import Exit, Format, print_json, say_reason
from console.cli.session import inventory_of
from console.cli.table import print_table
from console.hosts import vouched
from console.hosts.vouched import Vouched
from console.inventory import Node
from console.render.table import Cell, Column
from profiles.observed.status import Reason

if TYPE_CHECKING:
    from console.hosts.trusting import Look, Trusted

COLUMNS = (
    Column("node", "Node", 8, priority=1, names=True),
    Column("verdict", "Verdict", 8, priority=1),
    Column("algorithm", "Algorithm", 9, priority=3),
    Column("fingerprint", "Fingerprint", 11, priority=2),
)


def run(options: argparse.Namespace) -> int:
    nodes = inventory_of(options).nodes
    output = Format(options.output)
    if options.list is None:
        return asyncio.run(_print_unknown(nodes, output))
    check_may_change(options)
    with told():
        return asyncio.run(_trust(nodes, vouched.read(options.list), output))


async def _trust(nodes: Mapping[str, Node], lines: Sequence[Vouched], output: Format) -> Exit:
    """Raises OSError when a key cannot be stored."""
    from console.hosts.trusting import Reviewed
    from console.remote.ssh import Dialler

    dialler = Dialler()
    try:
        reviewed = Reviewed(lines, dialler)
        found = await reviewed.trust(nodes)
    finally:
        await dialler.close()
    _show(found, output)
    for one in found:
        if one.why:
            say_reason(one.why, one.node)
    for line in (unmet := reviewed.unmet()):
        say_reason(Reason("not_found", f"line {line.line}: no node is called {','.join(line.hosts)}"))
    return outcome([*(_code(one) for one in found), *(Exit.FAILED for _ in unmet)])


async def _print_unknown(nodes: Mapping[str, Node], output: Format) -> Exit:
    from console.hosts.trusting import look_at
    from console.remote.ssh import Dialler

    dialler = Dialler()
    try:
        looks = await look_at(nodes, dialler)
    finally:
        await dialler.close()
    shown = {name: seen.key for name, seen in looks.items() if seen.key}
    if output is Format.JSON:
        print_json("hostkeys", [{"node": name, "host": key.host, "port": key.port, "algorithm": key.algorithm,
                                 "fingerprint": key.fingerprint} for name, key in shown.items()])  # fmt: skip
    else:
        lines: dict[str, None] = {}  # a jump host stands before many nodes
        for name, key in shown.items():
            called = name if nodes[name].address == key.asked else key.asked
            lines[f"{called} {key.fingerprint}  # {key.algorithm} of {key.host} port {key.port}"] = None
        print("".join(f"{line}\n" for line in lines), end="")
    for name, seen in looks.items():
        if seen.why and not seen.key:
            say_reason(seen.why, name)
    return outcome(_looked(seen) for seen in looks.values())


def _looked(seen: "Look") -> Exit:
    """A key to be reviewed is what was asked for; a host that showed none could not be reached."""
    return Exit.DONE if seen.key or not seen.why else Exit.UNREACHABLE


def _code(one: "Trusted") -> Exit:
    from console.hosts.trusting import Verdict

    match one.verdict:
        case Verdict.TRUSTED | Verdict.ALREADY:
            return Exit.DONE
        case Verdict.UNREACHABLE:
            return Exit.UNREACHABLE
    return Exit.FAILED


def _show(found: "Sequence[Trusted]", output: Format) -> None:
    match output:
        case Format.JSON:
            print_json("trusted", [_item(one) for one in found])
        case Format.NAME:
            print("\n".join(one.node for one in found))
        case _:
            rows = [(Cell(one.node), Cell(one.verdict), Cell(one.key.algorithm if one.key else ""),
                     Cell(one.key.fingerprint if one.key else "")) for one in found]  # fmt: skip
            print_table(COLUMNS, rows, wide=output is Format.WIDE)


def _item(one: "Trusted") -> dict[str, object]:
    key, why = one.key, one.why
    return {
        "node": one.node,
        "verdict": one.verdict,
        "algorithm": key.algorithm if key else None,
        "fingerprint": key.fingerprint if key else None,
        "why": {"code": why.code, "text": why.text, "hint": why.hint} if why else None,
    }
