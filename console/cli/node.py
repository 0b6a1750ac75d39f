"""`gpuyard node add` and `import`: hosts are shown before they are written into the inventory file."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.cli.applying import check_may_change
from console.cli.editing import draft_of, told
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.table import print_table
from console.hosts import ansible, openssh, sshconfig
from console.hosts.adding import Candidate, Choice, candidates, host
from console.hosts.edit import OWN_KEYS, Draft, plain
from console.hosts.imported import Imported
from console.inventory import Node
from console.render.adding import CANDIDATE_COLUMNS, candidate_cells
from console.render.text import plural
from profiles.observed.status import Reason

if TYPE_CHECKING:
    from console.hosts.trusting import Look

Looks = Mapping[str, "Look"]


def add(options: argparse.Namespace) -> int:
    """Hosts by name, each looked at first. One that does not answer is added all the same, and said."""
    check_may_change(options)
    with told():
        draft = draft_of(options)
        found = candidates(draft, _hosts(options))
        looks = asyncio.run(_meet(_new(found)))
        _carry_out(draft, found, looks, options)
    return outcome([_code(one, looks) for one in found])


def take_over(options: argparse.Namespace) -> int:
    """`import`. What is here already stays as it is; what is no host is named and left out."""
    check_may_change(options)
    with told():
        draft = draft_of(options)
        listed = _listed(options)
        wanted = {name: _described(node, options) for name, node in listed.nodes.items()
                  if _is_wanted(name, options.only)}  # fmt: skip
        left_out = [one for one in listed.left_out if _is_wanted(one.what, options.only)]
        _carry_out(draft, candidates(draft, wanted, left_out), {}, options)
    return Exit.DONE


def _hosts(options: argparse.Namespace) -> dict[str, Node]:
    """Raises CommandFailed."""
    if options.name and len(options.hosts) > 1:
        raise CommandFailed(Exit.USAGE, Reason("usage", "--name is for one host", "add the others in a second call"))
    found = {}
    for text in options.hosts:
        try:
            address, node = host(text)
        except ValueError as error:
            raise CommandFailed(Exit.USAGE, Reason("usage", str(error), "`[USER@]HOST[:PORT]`")) from None
        node = replace(node, identity_file=_here(options.identity_file), known_hosts=_here(options.known_hosts),
                       agent=options.agent, socket=options.socket)  # fmt: skip
        found[options.name or address] = _described(node, options)
    return found


def _here(file: str | None) -> str | None:
    """A file of this machine, wherever a command is given next."""
    return file if file is None or file.startswith("~") else str(Path(file).absolute())


def _listed(options: argparse.Namespace) -> Imported:
    """Raises CommandFailed, FileError."""
    if options.format == "openssh":
        own = {sshconfig.USER_FILE.expanduser().resolve(), (sshconfig.SYSTEM_DIRECTORY / "ssh_config").resolve()}
        file = Path(options.file or sshconfig.USER_FILE).expanduser()
        return openssh.imported(file, own=file.resolve() in own)
    if options.file is None:
        raise CommandFailed(Exit.USAGE, Reason("usage", "which inventory of Ansible?", "name its file"))
    return ansible.imported(Path(options.file).expanduser())


def _is_wanted(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _described(node: Node, options: argparse.Namespace) -> Node:
    """With the site, the owner and the labels that the command gives. Raises CommandFailed."""
    labels = dict(node.labels)
    for term in options.label:
        key, equals, value = term.partition("=")
        if not key or not equals or key in OWN_KEYS:
            hint = "`-l KEY=VALUE`; site and owner have options of their own"
            raise CommandFailed(Exit.USAGE, Reason("usage", f"`{term}` is no label to give", hint))
        labels[key] = value
    return replace(node, site=options.site or node.site, owner=options.owner or node.owner, labels=labels)


async def _meet(nodes: Mapping[str, Node]) -> Looks:
    from console.cli.meeting import meet  # the ssh library, once hosts are looked at

    return await meet(nodes)


def _carry_out(draft: Draft, found: Sequence[Candidate], looks: Looks, options: argparse.Namespace) -> None:
    """Show, ask, write. Raises CommandFailed, FileError, OSError."""
    new = _new(found)
    _show(found, looks, Format(options.output))
    if not new:
        say("nothing to add")
        return
    into = f"{draft.path}, which is made" if draft.is_new else str(draft.path)
    if not options.yes:
        if not is_interactive():
            raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody can be asked", "give --yes"))
        if not ask(f"Add {plural(len(new), 'node')} to {into}?"):
            raise CommandFailed(Exit.FAILED, Reason("declined", "nothing was added"))
    draft.add(new)
    draft.save()
    say(f"{plural(len(new), 'node')} added to {into}")
    for name, seen in looks.items():
        if seen.why:
            say_reason(seen.why, name)


def _new(found: Sequence[Candidate]) -> dict[str, Node]:
    return {one.name: one.node for one in found if one.choice is Choice.ADD and one.node is not None}


def _code(one: Candidate, looks: Looks) -> Exit:
    if one.choice is Choice.LEFT_OUT:
        return Exit.FAILED
    return Exit.UNREACHABLE if one.name in looks and looks[one.name].why else Exit.DONE


def _show(found: Sequence[Candidate], looks: Looks, output: Format) -> None:
    match output:
        case Format.JSON:
            print_json("candidates", [_item(one, looks.get(one.name)) for one in found])
        case Format.NAME:
            print("\n".join(one.name for one in found if one.choice is Choice.ADD))
        case _:
            rows = [candidate_cells(one, _met(looks.get(one.name))) for one in found]
            print_table(CANDIDATE_COLUMNS, rows, wide=output is Format.WIDE)


def _met(seen: "Look | None") -> str:
    return "" if seen is None else seen.why.text if seen.why else "the login works"


def _item(one: Candidate, seen: "Look | None") -> dict[str, object]:
    return {
        "name": one.name,
        "choice": one.choice.name.lower(),
        "node": plain(one.name, one.node) if one.node else None,
        "why": one.why,
        "standing": seen.standing if seen else None,
        "fingerprint": seen.key.fingerprint if seen and seen.key else None,
    }
