"""`gpuyard node install`, `upgrade` and `remove`: many hosts at once, a table of what became of each."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence

from console.cli.applying import carry_through, check_may_change
from console.cli.editing import draft_of, told
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.progress import Progress
from console.cli.sealed import wanted_seal
from console.cli.session import inventory_of, reached
from console.cli.table import print_table
from console.hosts.report import Outcome, Result
from console.inventory import Inventory, Node
from console.render.hosts import RESULT_COLUMNS, result_cells
from profiles.observed.status import Reason
from profiles.plans.verb_plan import Verb

_CODES = {
    Outcome.DONE: Exit.DONE,
    Outcome.UNCHANGED: Exit.DONE,
    Outcome.FAILED: Exit.FAILED,
    Outcome.UNREACHABLE: Exit.UNREACHABLE,
}
Work = Callable[[str, Node, Callable[[str, float], None]], Awaitable[Result]]


def install(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_bring(options))


upgrade = install


def remove(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_remove(options))


async def _bring(options: argparse.Namespace) -> Exit:
    from console.hosts.install import STEPS, Installer
    from console.hosts.sealing import seal_brought
    from console.hosts.stock import Stock
    from console.remote.ssh import Dialler

    nodes = _nodes(inventory_of(options), options.nodes)
    seal = wanted_seal(options) if options.sealed else None
    dialler = Dialler()
    installer = Installer(dialler, Stock(), at_boot=options.at_boot)

    async def work(name: str, node: Node, told: Callable[[str, float], None]) -> Result:
        result = await installer.bring(name, node, options.verb, told)
        if seal and _CODES[result.outcome] is Exit.DONE:
            await seal_brought(result, node, seal, dialler, told)
        return result

    try:
        results = await _each(nodes, (*STEPS, "seal") if seal else STEPS, work)
    finally:
        await dialler.close()
    return _show(results, Format(options.output))


async def _remove(options: argparse.Namespace) -> Exit:
    from console.hosts.removal import remove as removed
    from console.remote.ssh import Dialler

    inventory = inventory_of(options)
    nodes = _nodes(inventory, options.nodes)
    _confirm(nodes, sure=options.yes)
    if options.stop_engines:
        await _stop_engines(inventory, nodes, options)
    dialler = Dialler()
    try:
        results = await _each(
            nodes, ("connect", "probe", "delete"), lambda name, node, told: removed(name, node, dialler, told)
        )
    finally:
        await dialler.close()
    code = _show(results, Format(options.output))
    _take_out([one.node for one in results if _CODES[one.outcome] is Exit.DONE], options)
    return code


def _take_out(names: Sequence[str], options: argparse.Namespace) -> None:
    """Hosts without an agent leave the inventory file. Raises CommandFailed."""
    if not names:
        return
    with told():
        draft = draft_of(options)
        for name in names:
            if draft.names == [name]:
                say(f"{name} stays in {draft.path}: an inventory has at least one node, so add another or delete it")
            else:
                draft.remove(name)
        draft.save()
    if gone := [name for name in names if name not in draft.names]:
        say(f"taken out of {draft.path}: {', '.join(gone)}")


async def _each(nodes: dict[str, Node], steps: Sequence[str], work: Work) -> list[Result]:
    """All at once; what goes wrong with one does not stop the others."""
    with Progress(list(nodes), steps) as progress:

        async def one(name: str, node: Node) -> Result:
            result = await work(name, node, lambda step, part: progress.tell(name, step, part))
            progress.over(name, result.outcome)
            return result

        return list(await asyncio.gather(*(one(name, node) for name, node in nodes.items())))


async def _stop_engines(inventory: Inventory, nodes: dict[str, Node], options: argparse.Namespace) -> None:
    """By the usual plan. Raises CommandFailed where something goes on."""
    only = Inventory(nodes=nodes, gpuyard=inventory.gpuyard)
    async with reached(only) as found:
        targets = [(view.name, name) for view in found.store.nodes.values() for name in sorted(view.instances)]
        if not targets:
            return
        plan = found.operations.propose(Verb.STOP, targets)
        code = await carry_through(found, plan, f"remove {' '.join(nodes)}", options)
    if code != Exit.DONE:
        raise CommandFailed(Exit(code), Reason("engines", "not every engine has stopped", "nothing was removed"))


def _nodes(inventory: Inventory, names: Sequence[str]) -> dict[str, Node]:
    """Raises CommandFailed."""
    if lacking := [name for name in names if name not in inventory.nodes]:
        hint = "`gpuyard node add` takes a host into the inventory"
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {', '.join(lacking)}", hint))
    return {name: inventory.nodes[name] for name in names}


def _confirm(nodes: dict[str, Node], *, sure: bool) -> None:
    """Raises CommandFailed."""
    if sure:
        return
    if not is_interactive():
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody can be asked", "give --yes"))
    names = ", ".join(nodes)
    if not ask(f"Take the agent, its settings, history and audit off {names}, and out of the inventory with them?"):
        raise CommandFailed(Exit.FAILED, Reason("declined", "nothing was removed"))


def _show(results: Sequence[Result], output: Format) -> Exit:
    """The table on stdout, each failure with its fix on stderr."""
    match output:
        case Format.JSON:
            print_json("hosts", [_item(result) for result in results])
        case Format.NAME:
            print("\n".join(result.node for result in results))
        case _:
            print_table(RESULT_COLUMNS, [result_cells(result) for result in results], wide=output is Format.WIDE)
    for result in results:
        if result.why:
            say_reason(result.why, f"{result.node}: {result.step}")
    return outcome(_CODES[result.outcome] for result in results)


def _item(result: Result) -> dict[str, object]:
    why = result.why
    return {
        "node": result.node,
        "outcome": result.outcome.name.lower(),
        "step": result.step,
        "way": result.way,
        "python": result.python,
        "service": result.service,
        "tier": result.tier,
        "after_boot": result.after_boot,
        "seconds": round(result.seconds, 2),
        "notes": result.notes,
        "why": {"code": why.code, "text": why.text, "hint": why.hint} if why else None,
    }
