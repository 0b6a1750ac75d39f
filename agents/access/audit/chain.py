"""Walking the chain: is every record there, in order, unchanged?

    audit/000000000001.jsonl  audit/000000030211.jsonl  …   named by the first record of each

A chain proves nothing to somebody who can rewrite all of it; an anchor does, the hash of some record that a
console or a log elsewhere remembers.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from agents.access.audit.record import FIRST_PREV, NotSealed, unseal


class Anchor(msgspec.Struct, frozen=True):
    """Record `seq` has this hash. `seq` 0 is before the first."""

    seq: int = 0
    hash: str = FIRST_PREV


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """How far the chain holds; `problem` "" when it holds to its end."""

    first_seq: int = 0
    last: Anchor = Anchor()
    records: int = 0
    problem: str = ""


def files(directory: Path) -> list[Path]:
    """Oldest first. Raises OSError."""
    return sorted(path for path in directory.glob("*.jsonl") if path.stem.isdigit())


def name(seq: int) -> str:
    """The file whose first record is `seq`."""
    return f"{seq:012}.jsonl"


def walk(directory: Path, known: Anchor | None = None, until_seq: int | None = None) -> Walked:
    """Check the whole chain, or up to `until_seq`. Raises OSError."""
    walk = _Walk(known)
    for path in files(directory):
        for at, line in enumerate(_lines(path)):
            if walk.problem or walk.last.seq == until_seq:
                return walk.end()
            walk.take(line, int(path.stem) if at == 0 else None)
    return walk.end()


def walk_file(path: Path) -> Walked:
    """Check one file by itself: what came before it is believed. Raises OSError."""
    walk = _Walk(None)
    for at, line in enumerate(_lines(path)):
        if not walk.problem:
            walk.take(line, int(path.stem) if at == 0 else None)
    return walk.so_far()


class _Walk:
    def __init__(self, known: Anchor | None) -> None:
        self.problem = ""
        self.last = Anchor()
        self._known = known
        self._first_seq = 0
        self._records = 0
        self._before = Anchor()
        """What the first record says that came before it."""
        self._may_begin_after = {Anchor()}
        """Nothing, or what some record says was dropped."""

    def take(self, line: bytes, named: int | None) -> None:
        """The next line; `named` is the number that its file is named by, if it is the first there."""
        try:
            if not line.endswith(b"\n"):
                raise NotSealed("the record is cut off")
            record, digest = unseal(line)
        except NotSealed as error:
            self.problem = f"after record {self.last.seq}: {error}"
            return
        if not self._records:
            self._first_seq, self._before = record.seq, Anchor(record.seq - 1, record.prev)
        elif (record.seq, record.prev) != (self.last.seq + 1, self.last.hash):
            self.problem = f"after record {self.last.seq}: record {record.seq} does not follow it"
            return
        if named is not None and named != record.seq:
            self.problem = f"the file named {named} begins with record {record.seq}"
        if self._known and record.seq == self._known.seq and digest != self._known.hash:
            self.problem = f"record {record.seq} is not the one that is known: the audit was rewritten"
        if record.dropped_until_seq is not None:
            self._may_begin_after.add(Anchor(record.dropped_until_seq, record.dropped_until_hash))
        self.last = Anchor(record.seq, digest)
        self._records += 1

    def so_far(self) -> Walked:
        return Walked(first_seq=self._first_seq, last=self.last, records=self._records, problem=self.problem)

    def end(self) -> Walked:
        """With what only the whole chain can show."""
        if not self.problem and self._records and self._before not in self._may_begin_after:
            self.problem = f"the records before {self._first_seq} are gone, and no record says that they were dropped"
        if not self.problem and self._known and self._known.seq > self.last.seq:
            self.problem = f"the audit ends at record {self.last.seq}, but record {self._known.seq} is known"
        return self.so_far()


def hash_at(directory: Path, seq: int) -> str | None:
    """What the chain has at `seq`; None where it has no such record, or one that was changed. Raises OSError."""
    if seq == 0:
        return FIRST_PREV
    before = [path for path in files(directory) if int(path.stem) <= seq]
    for line in _lines(before[-1]) if before else ():
        try:
            record, digest = unseal(line)
        except NotSealed:
            return None
        if record.seq == seq:
            return digest
    return None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
