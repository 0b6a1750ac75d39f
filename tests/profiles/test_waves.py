"""Waves: what goes before what, and that no GPU is over-given and no service torn down on the way."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.gpu.ledger import refused_by_book
from profiles.plans.waves import Documents, Wave, document_after, runs, waves
from tests.profiles.readings import gpu, part

NODES = ("n1", "n2")
GPUS = {node: [gpu(0), gpu(1)] for node in NODES}


def owned(name: str, *slices: Slice, **fields: object) -> DesiredInstance:
    spec = InstanceSpec(name=name, service=name.split("/")[0], engine="vllm", model="m", slices=slices)
    return DesiredInstance(profile="p", revision=1, spec=replace(spec, **fields))


def documents(**nodes: list[DesiredInstance]) -> Documents:
    return {node: {one.spec.name: one for one in found} for node, found in nodes.items()}


def told(found: tuple[Wave, ...]) -> list[list[str]]:
    return [[f"{move.node} {'−' if move.vacates else ''}{move.instance}" for move in wave.moves] for wave in found]


def test_replicas_of_a_service_are_replaced_one_after_another() -> None:
    before = documents(n1=[owned("a/0", part()), owned("a/1", part(index=1))], n2=[owned("b/0", part())])
    after = documents(
        n1=[owned("a/0", part(), model="m2"), owned("a/1", part(index=1), model="m2")],
        n2=[owned("b/0", part(), model="m2")],
    )
    assert told(waves(before, after, GPUS)) == [["n1 a/0", "n2 b/0"], ["n1 a/1"]]
    assert told(waves(before, after, GPUS, 2)) == [["n1 a/0", "n1 a/1", "n2 b/0"]]
    assert told(waves(before, after, GPUS, unready=[("n1", "a/1")])) == [["n1 a/1", "n2 b/0"], ["n1 a/0"]]


def test_new_ones_come_before_what_goes_when_both_fit() -> None:
    before = documents(n1=[owned("a/0", part()), owned("old/0", part(index=1))], n2=[])
    after = documents(n1=[], n2=[owned("a/0", part()), owned("new/0", part(index=1))])
    assert told(waves(before, after, GPUS)) == [["n2 a/0", "n2 new/0"], ["n1 a/0", "n1 old/0"]]


def test_what_is_in_the_way_goes_before_what_needs_its_room_and_nothing_else() -> None:
    before = documents(n1=[owned("old/0", part()), owned("old/1", part(index=1))])
    after = documents(n1=[owned("new/0", part())])
    assert told(waves(before, after, GPUS)) == [["n1 old/0"], ["n1 new/0"], ["n1 old/1"]]


def test_replicas_that_change_places_are_forced_apart() -> None:
    before = documents(n1=[owned("a/0", part()), owned("b/0", part(index=1))])
    after = documents(n1=[owned("a/0", part(index=1)), owned("b/0", part())])
    assert told(waves(before, after, GPUS)) == [["n1 −b/0"], ["n1 a/0"], ["n1 b/0"]]
    there, back = (documents(n1=[owned("a/0", part(index=at)), owned("a/1", part(index=1 - at))]) for at in (0, 1))
    found = waves(there, back, GPUS)
    assert told(found) == [["n1 −a/1"], ["n1 a/0"], ["n1 a/1"]]
    assert any(wave.forced for wave in found)


def test_one_engine_starts_on_a_gpu_in_a_wave() -> None:
    after = documents(n1=[owned("a/0", part(9_000)), owned("b/0", part(9_000)), owned("c/0", part(9_000, index=1))])
    assert told(waves({"n1": {}}, after, GPUS)) == [["n1 a/0", "n1 c/0"], ["n1 b/0"]]


def test_what_no_process_notices_comes_first() -> None:
    before = documents(n1=[owned("a/0", part()), owned("b/0", part(index=1))])
    after = documents(n1=[owned("a/0", part(), priority=9), owned("b/0", part(index=1), model="m2")])
    assert told(waves(before, after, GPUS)) == [["n1 a/0"], ["n1 b/0"]]


SIZES = st.sampled_from([10_000, 30_000, 40_000])
INSTANCES = st.builds(
    lambda name, node, index, mib, model, wanted: (node, owned(name, part(mib, index), model=model, wanted=wanted)),
    st.sampled_from(["a/0", "a/1", "a/2", "b/0", "b/1", "c/0"]),
    st.sampled_from(NODES),
    st.sampled_from([0, 1]),
    SIZES,
    st.sampled_from(["m", "m2"]),
    st.sampled_from([Wanted.RUNNING, Wanted.RUNNING, Wanted.RUNNING, Wanted.STOPPED]),
)


def fitting(found: list[tuple[str, DesiredInstance]]) -> Documents:
    """Those that a planner could have placed: the others are left out."""
    placed: dict[str, dict[str, DesiredInstance]] = {node: {} for node in NODES}
    for node, one in found:
        held = {name: other.spec.slices for name, other in placed[node].items() if runs(other)}
        if not runs(one) or refused_by_book(one.spec.slices, GPUS[node], held) is None:
            placed[node][one.spec.name] = one
    return placed


DOCUMENTS = st.lists(INSTANCES, max_size=6, unique_by=lambda one: one[1].spec.name).map(fitting)


@settings(max_examples=200)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 2))
def test_on_the_way_no_gpu_is_over_given_and_no_service_below_what_may_be_away(
    before: Documents, after: Documents, max_parallel: int
) -> None:
    found = waves(before, after, GPUS, max_parallel)
    now = before
    stay = replicas(before) & replicas(after)
    for wave in found:
        then = {node: document_after(now[node], node, wave, after[node]) for node in NODES}
        check_room(now, then)
        starting = [(move.node, gpu) for move in wave.moves if starts(move.node, move.instance, now, then)
                    for gpu in then[move.node][move.instance].spec.gpus()]  # fmt: skip
        assert len(starting) == len(set(starting))
        untouched = {
            node: {name: one for name, one in now[node].items() if then[node].get(name) == one} for node in NODES
        }
        live = {node: {name: then[node][name] for name, one in now[node].items()
                       if name in then[node] and one.spec.launch_key() == then[node][name].spec.launch_key()}
                for node in NODES}  # fmt: skip
        away = Counter(name.split("/")[0] for name in stay - replicas(untouched) - replicas(live))
        assert wave.forced or max(away.values(), default=0) <= max_parallel
        now = then
    assert now == after
    assert waves(dict(reversed(list(before.items()))), after, GPUS, max_parallel) == found


def replicas(documents: Documents) -> set[str]:
    return {name for document in documents.values() for name, one in document.items() if runs(one)}


def starts(node: str, name: str, now: Documents, then: Documents) -> bool:
    old, new = now[node].get(name), then[node].get(name)
    return runs(new) and (not runs(old) or old.spec.launch_key() != new.spec.launch_key())  # type: ignore[union-attr]


def check_room(now: Documents, then: Documents) -> None:
    """Each start fits beside all that is there before the wave and after it, but for what it replaces itself."""
    for node in NODES:
        for name in then[node]:
            if starts(node, name, now, then):
                old = {f"{other} before": one.spec.slices for other, one in now[node].items()
                       if runs(one) and other != name and starts(node, other, now, then)}  # fmt: skip
                held = {other: one.spec.slices for other, one in {**now[node], **then[node]}.items()
                        if other != name and (runs(one) or runs(now[node].get(other)))}  # fmt: skip
                slices = then[node][name].spec.slices
                assert refused_by_book(slices, GPUS[node], {**old, **held}) is None
