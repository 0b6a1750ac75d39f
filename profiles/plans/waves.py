"""In which order an apply changes things: from the documents of now to those of a plan, wave by wave. Pure.

    live ─► starts beside what runs ─► replaces in place ─► what is no longer wanted goes
              └── finds no room: what is in its way goes first, or is stopped until it is its own turn

A wave is asked for at once, and the next one begins when all of it is ready. So nothing in a wave counts on what
another in it gives back, one engine starts on a GPU, and of each service at most `max_parallel` replicas that are to
stay are away. That is only exceeded where no order keeps it (two replicas that change places); such a wave is `forced`.
An instance that is replaced where it is keeps its name, port and GPUs: its new self cannot stand beside it. One that
moves can, and its old self is among those that go last.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.gpu.ledger import refused_by_book
from profiles.observed.status import GpuReading

Documents = Mapping[str, Mapping[str, DesiredInstance]]
"""The instances of desired documents, by node."""

Place = tuple[str, str]
"""(node, instance)."""

_Service = tuple[str, str]
_LEAVING = " leaving"
_NOBODY: Collection[Place] = ()


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One instance becomes what the plan wants of it."""

    node: str
    instance: str
    vacates: bool = False
    """Not yet: it is only stopped, because another needs its place."""


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    moves: tuple[Move, ...]
    forced: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(move.node for move in self.moves))


def waves(
    before: Documents,
    after: Documents,
    gpus: Mapping[str, Sequence[GpuReading]],
    max_parallel: int = 1,
    unready: Collection[Place] = _NOBODY,
) -> tuple[Wave, ...]:
    """From `before` to `after`, for the same nodes. Nodes whose `gpus` are not known are taken to have room.

    Of replicas that are to be replaced, those that are `unready` come first.
    """
    ordering = _Ordering(before, after, gpus, max_parallel, unready)
    return tuple(ordering.run())


def document_after(
    document: Mapping[str, DesiredInstance], node: str, wave: Wave, wanted: Mapping[str, DesiredInstance]
) -> dict[str, DesiredInstance]:
    """The instances of `node` once it was asked for `wave`; `wanted` are those of the plan."""
    found = dict(document)
    for move in wave.moves:
        if move.node == node:
            _put(found, move, wanted.get(move.instance))
    return found


def runs(owned: DesiredInstance | None) -> bool:
    """Whether it has a process, and with it a place."""
    return owned is not None and owned.spec.wanted is not Wanted.STOPPED


class _Ordering:
    """What is wanted after the waves so far, and what is still to be done."""

    def __init__(
        self, before: Documents, after: Documents, gpus: Mapping[str, Sequence[GpuReading]], max_parallel: int,
        unready: Collection[Place],
    ) -> None:  # fmt: skip
        self._now = {node: dict(document) for node, document in before.items()}
        self._after = after
        self._gpus = gpus
        self._max_parallel = max_parallel
        self._unready = frozenset(unready)
        self._left = {
            (node, name)
            for node in before
            for name in before[node].keys() | after[node].keys()
            if before[node].get(name) != after[node].get(name)
        }
        self._stay = _running(before) & _running(after)

    def run(self) -> Iterator[Wave]:
        while self._left:
            wave = self._next()
            for move in wave.moves:
                _put(self._now[move.node], move, self._after[move.node].get(move.instance))
                if not move.vacates:
                    self._left.discard((move.node, move.instance))
            yield wave

    def _next(self) -> Wave:
        left = self._ordered()
        takes = [place for place in left if runs(self._target(place)) and self._restarts(place)]
        frees = [place for place in left if self._is(place, now=True, then=False)]
        others = {*takes, *frees}
        live = [place for place in left if place not in others]
        if chosen := live or self._together(takes, new=True) or self._together(takes, new=False):
            return _wave(chosen)
        return self._with_room(takes, frees) if takes else _wave(frees)

    def _ordered(self) -> list[Place]:
        return sorted(self._left, key=lambda place: (place not in self._unready, place[1], place[0]))

    def _together(self, takes: Sequence[Place], *, new: bool) -> list[Place]:
        """Those that can start in one wave: `new` ones, or those that are replaced."""
        chosen: list[Place] = []
        starting: set[Place] = set()
        held = {node: _held(document) for node, document in self._now.items()}
        spent = self._away()
        changed = self._stay & _running(self._now)
        # Replicas of which something in `takes` is the new form; one that was stopped for room is away already.
        for node, name in takes:
            is_new, counts = not runs(self._now[node].get(name)), self._key((node, name)) in changed
            spec, service = self._target_spec((node, name)), self._service((node, name))
            gpus = {(node, gpu) for gpu in spec.gpus()}
            if is_new is not new or gpus & starting or (counts and spent[service] >= self._max_parallel):
                continue
            others = {other: parts for other, parts in held[node].items() if other != name}
            if not self._fits(node, spec, others):
                continue
            chosen.append((node, name))
            starting |= gpus
            spent[service] += counts
            if old := held[node].pop(name, ()):
                held[node][name + _LEAVING] = old
            held[node][name] = spec.slices
        return chosen

    def _with_room(self, takes: Sequence[Place], frees: Sequence[Place]) -> Wave:
        """What goes first, so that one of `takes` fits: the least that does it, and the least of it that is to stay."""
        found = []
        for place in takes:
            if (going := self._in_the_way(place, takes, frees)) is not None:
                away = self._away(going)
                excess = sum(max(0, count - self._max_parallel) for count in away.values())
                found.append((excess, sum(away.values()), len(going), place[::-1], going))
        if not found:
            return _wave(takes[:1], forced=True)  # it will wait on its node, as the plan says
        excess, *_, place, going = min(found)
        if not going:  # there is room, and too many are away already: nothing else is left that could come back
            return _wave([place[::-1]], forced=True)
        moves = tuple(Move(node=node, instance=name, vacates=(node, name) in takes) for node, name in going)
        return Wave(moves=moves, forced=excess > 0)

    def _in_the_way(self, place: Place, takes: Sequence[Place], frees: Sequence[Place]) -> list[Place] | None:
        node, name = place
        spec = self._target_spec(place)
        others = {other: parts for other, parts in _held(self._now[node]).items() if other != name}
        staying = [one for one in takes if one != place and runs(self._now[one[0]].get(one[1]))]
        on_the_way = sorted(frees, key=lambda one: self._key(one) in self._stay) + staying
        going = [one for one in on_the_way if one[0] == node and one[1] in others]
        if not self._fits(node, spec, _without(others, going)):
            return None
        for one in reversed(list(going)):
            fewer = [other for other in going if other != one]
            if self._fits(node, spec, _without(others, fewer)):
                going = fewer
        return going

    def _fits(self, node: str, spec: InstanceSpec, others: Mapping[str, tuple[Slice, ...]]) -> bool:
        gpus = self._gpus.get(node)
        return not gpus or not spec.slices or refused_by_book(spec.slices, gpus, others) is None

    def _away(self, going: Collection[Place] = ()) -> "Counter[_Service]":
        """How many replicas of each service that are to stay have no process, once `going` have none."""
        left = {node: {name: owned for name, owned in document.items() if (node, name) not in going}
                for node, document in self._now.items()}  # fmt: skip
        return Counter(service for service, _ in self._stay - _running(left))

    def _is(self, place: Place, *, now: bool, then: bool) -> bool:
        return runs(self._now[place[0]].get(place[1])) is now and runs(self._target(place)) is then

    def _restarts(self, place: Place) -> bool:
        before, after = self._now[place[0]].get(place[1]), self._target(place)
        if before is None or after is None or not runs(before):
            return True
        return before.spec.launch_key() != after.spec.launch_key()

    def _target(self, place: Place) -> DesiredInstance | None:
        return self._after[place[0]].get(place[1])

    def _target_spec(self, place: Place) -> InstanceSpec:
        return self._after[place[0]][place[1]].spec

    def _service(self, place: Place) -> _Service:
        return self._key(place)[0]

    def _key(self, place: Place) -> "_Replica":
        owned = self._now[place[0]].get(place[1]) or self._after[place[0]][place[1]]
        return _replica(owned)


_Replica = tuple[_Service, str]


def _replica(owned: DesiredInstance) -> _Replica:
    return (owned.profile, owned.spec.service), owned.spec.name


def _running(documents: Documents) -> set[_Replica]:
    """On whatever node."""
    return {_replica(owned) for document in documents.values() for owned in document.values() if runs(owned)}


def _held(document: Mapping[str, DesiredInstance]) -> dict[str, tuple[Slice, ...]]:
    return {name: owned.spec.slices for name, owned in document.items() if owned.spec.slices and runs(owned)}


def _without(held: Mapping[str, tuple[Slice, ...]], going: Sequence[Place]) -> dict[str, tuple[Slice, ...]]:
    names = {name for _, name in going}
    return {name: parts for name, parts in held.items() if name not in names}


def _wave(places: Sequence[Place], *, forced: bool = False) -> Wave:
    return Wave(moves=tuple(Move(node=node, instance=name) for node, name in places), forced=forced)


def _put(document: dict[str, DesiredInstance], move: Move, wanted: DesiredInstance | None) -> None:
    if move.vacates:
        owned = document[move.instance]
        document[move.instance] = replace(owned, spec=replace(owned.spec, wanted=Wanted.STOPPED, drain_s=None))
    elif wanted is None:
        document.pop(move.instance, None)
    else:
        document[move.instance] = wanted
