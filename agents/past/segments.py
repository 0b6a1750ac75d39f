"""A day of history on disk, ten seconds a line, in files of an hour that are only ever appended to.

    append ──► history/00000042.jsonl … 360 steps or 4 MiB, then the next; the oldest go first

What there is at most, whatever comes, is in Limits. A torn last line is cut at the next start, a line that cannot be
read is passed over, a file that does not begin as ours is set aside; each is told once. A disk that refuses costs
the history of that time and nothing else. Nothing is synced: a power loss takes the last seconds.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from agents.past.steps import FORMAT, Bounds, Header, Holds, Line, Step, decoder, encoder
from agents.state import set_aside
from profiles.money.spent import Holding

Numbered = tuple[float, ...] | Holding
"""What steps of one file name by a number: bounds of histograms, what an instance holds."""

Tell = Callable[[str, str], None]
"""A sentence and its code."""


class Limits(NamedTuple):
    """A file is full at whichever of the first two comes first; the oldest go for whichever of the last two."""

    steps: int = 360
    file_bytes: int = 4 * 1024 * 1024
    files: int = 25
    total_bytes: int = 64 * 1024 * 1024


LIMITS = Limits()


class Placed(NamedTuple):
    """A step as it was read, with the boot that its slot belongs to and what its numbers stand for."""

    step: Step
    boot_id: str
    bounds: dict[int, tuple[float, ...]]
    holdings: dict[int, Holding]


class Segments:
    """Raises OSError when `directory` cannot be made."""

    def __init__(self, directory: Path, boot_id: str, tell: Tell, limits: Limits = LIMITS) -> None:
        self._directory = directory
        self._header = encoder.encode(Header(FORMAT, boot_id)) + b"\n"
        self._tell = tell
        self._limits = limits
        self._path: Path | None = None
        self._steps = 0
        self._numbers: dict[Numbered, int] = {}
        self._told: set[Path] = set()
        self._refused = False
        directory.mkdir(mode=0o700, exist_ok=True)
        self._take_up()

    def append(self, make: Callable[[Callable[[Numbered], int]], Step]) -> None:
        """Write the step that `make` makes; it asks for the numbers that it names."""
        known = len(self._numbers)
        try:
            path = self._writable()
            known = len(self._numbers)
            step = encoder.encode(make(self._number))
            fresh = [_line(number, one) for one, number in islice(self._numbers.items(), known, None)]
            _append(path, b"".join(line + b"\n" for line in (*fresh, step)))
        except OSError as error:
            self._numbers = dict(islice(self._numbers.items(), known))  # the disk knows no more of them
            self._say(f"the history cannot be written: {error}; free space on the node's disk", "history_refused")
        else:
            self._steps += 1
            self._say("the history is written again", "history_written")

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._directory.glob("*.jsonl"))

    def read(self, path: Path) -> list[Placed]:
        """The steps of one file in the order in which they were written."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []  # made room since it was listed
        boot_id, bad = "", 0
        bounds: dict[int, tuple[float, ...]] = {}
        holdings: dict[int, Holding] = {}
        placed: list[Placed] = []
        for line in _lines(content):
            match line:
                case Header(boot_id=boot_id):
                    bounds, holdings = {}, {}
                case Bounds(number=number, bounds_s=bounds_s):
                    bounds[number] = bounds_s
                case Holds(number=number, holding=holding):
                    holdings[number] = holding
                case Step():
                    placed.append(Placed(line, boot_id, bounds, holdings))
                case None:
                    bad += 1
        if bad and path not in self._told:
            self._told.add(path)
            self._tell(f"{bad} lines of {path.name} in the history cannot be read and are left out", "history_damaged")
        return placed

    def _take_up(self) -> None:
        """Go on with the newest file."""
        for path in self.paths():
            if not _is_ours(path):
                aside = set_aside(path)
                self._tell(f"{path.name} is no history of this version; kept as {aside.name}", "history_damaged")
        if not (paths := self.paths()):
            return
        content = paths[-1].read_bytes()
        os.truncate(paths[-1], content.rfind(b"\n") + 1)
        self._steps = content.count(b"\n")
        with contextlib.suppress(OSError):  # then the next step begins a file
            _append(paths[-1], self._header)
            self._path = paths[-1]

    def _writable(self) -> Path:
        """The file that takes the next step. Raises OSError."""
        if self._path and self._steps < self._limits.steps and self._path.stat().st_size < self._limits.file_bytes:
            return self._path
        paths = self.paths()
        self._make_room(paths)
        path = self._directory / f"{int(paths[-1].stem) + 1 if paths else 1:08}.jsonl"
        path.touch(0o600)
        try:
            _append(path, self._header)
        except OSError:
            path.unlink()
            raise
        self._path, self._steps = path, 0
        self._numbers.clear()
        return path

    def _make_room(self, paths: list[Path]) -> None:
        """For one more file."""
        sizes = [path.stat().st_size for path in paths]
        limits = self._limits
        while paths and (len(paths) >= limits.files or sum(sizes) + limits.file_bytes > limits.total_bytes):
            paths.pop(0).unlink()
            sizes.pop(0)

    def _number(self, one: Numbered) -> int:
        return self._numbers.setdefault(one, len(self._numbers))

    def _say(self, text: str, code: str) -> None:
        """Once when the disk refuses, once when it takes again."""
        refused = code == "history_refused"
        if refused is not self._refused:
            self._refused = refused
            self._tell(text, code)


def _line(number: int, one: Numbered) -> bytes:
    return encoder.encode(Holds(number, one) if isinstance(one, Holding) else Bounds(number, one))


def _append(path: Path, lines: bytes) -> None:
    """All or nothing, so that later lines do not follow a torn one. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        before = os.fstat(descriptor).st_size
        try:
            if (written := os.write(descriptor, lines)) != len(lines):
                raise OSError(f"{path.name}: {written} of {len(lines)} bytes were written")
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _lines(content: bytes) -> Iterator[Line | None]:
    """Each line decoded, None for one that cannot be; what follows the last line end is being written."""
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield None


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = decoder.decode(file.readline(4096))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(first, Header) and first.format <= FORMAT and path.stem.isdigit()
