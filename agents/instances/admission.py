"""Who may start on the GPUs of a node, and when: one answer from the ledger, the turn to load and other users' claims.

    ask ──► waits: leftovers there · no room (by priority, then age) · somebody loads · another user's agent has it
        └─► held, written down before anything is started ──► hold, loaded … ──► settle: its engine is verifiably gone

What an instance was given stays its own while it is wanted: a crash, a new agent or a stranger who came meanwhile
do not cost it its place. All of it can be told from spec.json of each instance and the engines that live, so nothing
else is kept on the disk.
"""

import itertools
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from agents.board import Board
from agents.instances.claims import Claimed, Claims
from agents.instances.turns import Turns
from engines.devices import Slice
from profiles.desired.model import InstanceSpec
from profiles.gpu.account import Held, same, without
from profiles.gpu.ledger import Ledger, Refusal, out_of_reach, refusal, unused
from profiles.observed.status import GpuReading, Reason

_CURED_BY_TIME = ("no_room", "waiting_for_room", "share_mode", "gpu_claimed")


class _Waiting(msgspec.Struct, frozen=True):
    rank: tuple[int, int]
    slices: tuple[Slice, ...]


class Admission:
    """Of one agent. Readings and claims are looked at with each question; whoever waits comes back to ask."""

    def __init__(self, board: Board, claims: Claims) -> None:
        self._board = board
        self._claims = claims
        self._ledger = Ledger()
        self._turns = Turns()
        self._waiting: dict[str, _Waiting] = {}
        self._arrivals = itertools.count()

    def found(self, instance: str, slices: Sequence[Slice]) -> None:
        """An earlier agent gave it these; whether its engine lives, or left something, is not known yet."""
        self._ledger.book(instance, slices)
        self.left(instance, [part.gpu_uuid for part in slices])

    def ask(self, instance: str, spec: InstanceSpec) -> Reason | None:
        """None: `instance` may start, and its part of each GPU, the turn and the claim are its own."""
        gpus = self._board.status().gpus
        if spec.slices and not gpus:
            self._turns.wait(instance, spec.gpus(), spec.priority)  # all begin together once they are read
            note = self._board.status().gpu_source.note
            return Reason("gpu_missing", f"no GPU of this node is read{f': {note}' if note else ''}")
        if left := self._turns.left_by(instance, spec.gpus()):
            self._turns.wait(instance, spec.gpus(), spec.priority)
            return Reason("gpu_left", left.text(), f"nothing new starts there until it is gone: see {left.instance}")
        if found := self._room(instance, spec, gpus):
            self._turns.leave(instance)
            return found.reason()
        if blocker := self._turns.ask(instance, spec.gpus(), spec.priority):
            return Reason("waiting_for_gpu", blocker.text())
        return None

    def hold(self, instance: str, slices: Sequence[Slice], pid: int, start_ticks: int) -> None:
        """Its engine lives on `slices`, whatever else is promised of them."""
        self._ledger.book(instance, slices)
        self._claims.hold(instance, slices, pid, start_ticks)

    def left(self, instance: str, gpus: Iterable[str]) -> None:
        """Something of its ended engine is on `gpus`: processes, or memory."""
        self._turns.leave_behind(instance, gpus)

    def loads(self, instance: str, slices: Sequence[Slice]) -> None:
        """Its engine was found loading: it has the turn."""
        self._turns.hold(instance, [part.gpu_uuid for part in slices])

    def loaded(self, instance: str) -> None:
        self._turns.leave(instance)

    def settle(self, instance: str, wanted: InstanceSpec | None) -> None:
        """Nothing of its engine is left. It keeps its place where just that is `wanted` again."""
        if wanted is None:
            self._waiting.pop(instance, None)
            self._turns.leave(instance)
        if wanted is None or not same(self._ledger.held.get(instance, ()), wanted.slices):
            self._ledger.release(instance)
            self._claims.release(instance)

    def _room(self, instance: str, spec: InstanceSpec, gpus: Sequence[GpuReading]) -> Refusal | None:
        if not spec.slices:
            return None
        gpus = [without(gpu, lambda name: name == instance) for gpu in gpus]  # an old reading may still show it
        kept = same(self._ledger.held.get(instance, ()), spec.slices)
        if kept:
            found = out_of_reach(spec.slices, gpus)
        else:
            found = self._ledger.take(instance, spec.slices, gpus, self._ahead(instance, spec))
        found = found or self._claimed(instance, spec.slices, [unused(gpu) for gpu in gpus] if kept else gpus)
        if found and found.code in _CURED_BY_TIME:
            self._waiting[instance] = self._place(instance, spec)
        else:
            self._waiting.pop(instance, None)
        return found

    def _claimed(self, instance: str, slices: tuple[Slice, ...], gpus: Sequence[GpuReading]) -> Refusal | None:
        """Claim them where other agents have left room; what they claim is read anew."""
        others = {name: parts for name, parts in self._ledger.held.items() if name != instance}

        def refused(claimed: Claimed) -> Refusal | None:
            now = [replace(gpu, claims=tuple(claimed.get(gpu.uuid, ()))) for gpu in gpus]
            return refusal(slices, now, others)

        found = self._claims.take(instance, slices, refused)
        if found:
            self._ledger.release(instance)
        return found

    def _ahead(self, instance: str, spec: InstanceSpec) -> Held:
        """Those that wait and come first, the first of them first."""
        mine = self._place(instance, spec).rank
        first = sorted((one.rank, name) for name, one in self._waiting.items() if name != instance and one.rank < mine)
        return {name: self._waiting[name].slices for _, name in first}

    def _place(self, instance: str, spec: InstanceSpec) -> _Waiting:
        """In the queue: an edit may change its priority, and never how long it has waited."""
        known = self._waiting.get(instance)
        return _Waiting((-spec.priority, known.rank[1] if known else next(self._arrivals)), spec.slices)
