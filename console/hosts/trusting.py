"""What a host shows of itself, against what somebody vouches for.

    look ──► KNOWN | REFUSED | UNREACHABLE | CHANGED
         └─► UNKNOWN with the key ──in the list──► stored, look again ──► trusted
                                  └──another one in the list──► differs     └──not in the list──► unlisted

A key is stored only once the host itself has shown it. Jump hosts are looked at on the way, by the same list.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from console.hosts.vouched import Vouched
from console.inventory import Node
from console.remote import hostkeys
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost
from console.remote.hostkeys import UnknownKey, known_as
from console.remote.ssh import JUMPS_AT_MOST, Dialler
from profiles.observed.status import Reason


class Standing(StrEnum):
    KNOWN = "known"
    """Its key is known and the login works."""
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Look(NamedTuple):
    """`key` is there when the standing is UNKNOWN; it may be that of a jump host. `why` is, unless it is KNOWN."""

    standing: Standing
    key: UnknownKey | None = None
    why: Reason | None = None
    fingerprint: str | None = None
    """Of a KNOWN key; None where a certificate or no ssh at all vouches for the host."""


class Verdict(StrEnum):
    TRUSTED = "trusted"
    ALREADY = "already"
    DIFFERS = "differs"
    UNLISTED = "unlisted"
    UNREACHABLE = "unreachable"


class Trusted(NamedTuple):
    """What became of one node. `key` is what it shows, where that was not known before."""

    node: str
    verdict: Verdict
    key: UnknownKey | None = None
    why: Reason | None = None


async def look(node: Node, dialler: Dialler) -> Look:
    """One login, ended at once."""
    if node.local:
        return Look(Standing.KNOWN)
    try:
        connection = await dialler.login(node)
    except HostKeyUnknown as unknown:
        return Look(Standing.UNKNOWN, unknown.key, unknown.reason)
    except LinkRefused as refused:
        changed = refused.reason.code == "host_key_changed"
        return Look(Standing.CHANGED if changed else Standing.REFUSED, why=refused.reason)
    except Lost as lost:
        return Look(Standing.UNREACHABLE, why=lost.reason)
    await connection.close()
    return Look(Standing.KNOWN, fingerprint=connection.fingerprint)


async def look_at(nodes: Mapping[str, Node], dialler: Dialler) -> dict[str, Look]:
    looks = await asyncio.gather(*(look(node, dialler) for node in nodes.values()))
    return dict(zip(nodes, looks, strict=True))


class Reviewed:
    """A list at work: which of its lines were met, and what was stored by it."""

    def __init__(self, vouched: Sequence[Vouched], dialler: Dialler) -> None:
        self._vouched = vouched
        self._dialler = dialler
        self._met: set[Vouched] = set()
        self._stored: set[UnknownKey] = set()

    async def trust(self, nodes: Mapping[str, Node]) -> list[Trusted]:
        """All at once, in the order of `nodes`. Raises OSError when a key cannot be stored."""
        return await asyncio.gather(*(self._trust(name, node) for name, node in nodes.items()))

    def unmet(self) -> list[Vouched]:
        """Lines that speak of no node that was looked at."""
        return [one for one in self._vouched if one not in self._met]

    async def _trust(self, name: str, node: Node) -> Trusted:
        called = {name, known_as(node.address, node.port)}
        lines = self._lines(called)
        stored = None
        for _ in range(JUMPS_AT_MOST + 1):
            seen = await look(node, self._dialler)
            if seen.key is None:
                return _verdict(name, seen, stored, lines)
            shown = {known_as(seen.key.host, seen.key.port), known_as(seen.key.asked, seen.key.port)}
            lines = self._lines(called | shown if seen.key.asked == node.address else shown | {seen.key.asked})
            if all(one.fingerprint != seen.key.fingerprint for one in lines):
                return _unvouched(name, seen.key, lines)
            stored = seen.key
            if stored not in self._stored:
                self._stored.add(stored)
                hostkeys.store(stored)
        raise AssertionError("every look after the first is one jump host further")

    def _lines(self, names: set[str]) -> list[Vouched]:
        lines = [one for one in self._vouched if one.speaks_of(names)]
        self._met.update(lines)
        return lines


def _verdict(name: str, seen: Look, stored: UnknownKey | None, lines: Sequence[Vouched]) -> Trusted:
    """Of a host whose key was known, or is now."""
    match seen.standing:
        case Standing.CHANGED:
            return Trusted(name, Verdict.DIFFERS, why=seen.why)
        case Standing.KNOWN if stored is None and seen.fingerprint and lines:
            if all(one.fingerprint != seen.fingerprint for one in lines):
                text = f"its key is known already as {seen.fingerprint}, the list has {_listed(lines)}"
                return Trusted(
                    name, Verdict.DIFFERS, why=Reason("differs", text, "ask its admin which of them is right")
                )
            return Trusted(name, Verdict.ALREADY)
        case Standing.KNOWN:
            return Trusted(name, Verdict.TRUSTED if stored else Verdict.ALREADY, stored)
        case Standing.REFUSED if stored is not None:
            return Trusted(name, Verdict.TRUSTED, stored, seen.why)
    return Trusted(name, Verdict.UNREACHABLE, why=seen.why)


def _unvouched(name: str, key: UnknownKey, lines: Sequence[Vouched]) -> Trusted:
    shows = f"{known_as(key.host, key.port)} shows {key.algorithm} {key.fingerprint}"
    if not lines:
        why = Reason(
            "unlisted", f"{shows}, and the list does not speak of it", "compare it with the host's own, add it"
        )
        return Trusted(name, Verdict.UNLISTED, key, why)
    if all(one.algorithm not in ("", key.algorithm) for one in lines):
        hint = f"the list has only keys of other kinds: add its {key.algorithm} key, if its admin confirms it"
    else:
        hint = "do not connect until its admin confirms it"
    return Trusted(name, Verdict.DIFFERS, key, Reason("differs", f"{shows}, the list has {_listed(lines)}", hint))


def _listed(lines: Sequence[Vouched]) -> str:
    return " or ".join(dict.fromkeys(f"{one.fingerprint} (line {one.line})" for one in lines))
