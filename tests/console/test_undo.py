"""Undo against a node that is played: what is asked of it, what is planned, what is said."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from agents import wire
from console.cli.names import find_node
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached
from console.render.revisions import REVISION_COLUMNS, revision_cells, undone_lines
from console.store import NodeState, Store
from console.undo import propose_undo, revisions
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.plans.plan import Action
from profiles.revisions.revision import Revision, changed, digest, in_short
from tests.console.peer import snapshot


def document(*models: str) -> dict[str, DesiredInstance]:
    specs = (InstanceSpec(name=f"c/{at}", service="c", engine="vllm", model=model) for at, model in enumerate(models))
    return {spec.name: DesiredInstance(profile="p", revision=1, spec=spec) for spec in specs}


class Played:
    """A node that keeps `documents` by their generation."""

    def __init__(self, documents: dict[int, dict[str, DesiredInstance]]) -> None:
        self.documents = documents
        self.heads: list[Revision] = []
        last: dict[str, DesiredInstance] = {}
        for generation, instances in documents.items():
            self.heads.append(
                Revision(generation=generation, digest=digest(instances), author="ana", reason="why",
                         at_unix_s=1000.0 + generation, what=in_short(changed(last, instances)))
            )  # fmt: skip
            last = instances

    async def request(self, node: str, ask: wire.AnyAsk, answer: Any, *, deadline_s: float = 10, bulk: bool = False
                      ) -> Any:  # fmt: skip
        if isinstance(ask, wire.ReadRevisions):
            return wire.Revisions(revisions=tuple(self.heads))
        assert isinstance(ask, wire.ReadRevision)
        head = next(head for head in self.heads if head.generation == ask.generation)
        return wire.RevisionDocument(
            head=head, instances=self.documents[ask.generation], profile_text=f"text {ask.generation}"
        )


def one(documents: dict[int, dict[str, DesiredInstance]], generation: int | None = None) -> tuple[Played, Store]:
    store = Store(lambda: 0.0, lambda: 900.0)
    store.add_node("n")
    newest = max(documents)
    desired = Desired(generation=newest if generation is None else generation, instances=documents[newest])
    store.receive("n", snapshot(desired=desired))
    return Played(documents), store


def codes(found: Iterable[Any]) -> list[str]:
    return [reason.code for reason in found]


async def test_the_last_change_is_planned_back_and_named() -> None:
    node, store = one({0: {}, 1: document("a"), 4: document("b", "b")}, generation=6)
    undo = await propose_undo(node, store, "n")
    assert {step.instance: step.action for step in undo.plan.steps} == {"c/0": Action.REPLACE, "c/1": Action.PRUNE}
    edit = undo.plan.nodes[0]
    assert (edit.expected_generation, edit.profile_text) == (6, "text 1")
    assert edit.instances == document("a")
    assert undo.reason == "undo generation 4 (why, ana)"
    assert list(undone_lines(undo, 900.0 + 34.0)) == [
        "Undoes generation 4 by ana, 30s ago (why): c/0 model a → b, + c/1"
    ], "the node's clock is 100 s ahead of ours"


async def test_all_since_a_generation_are_named_newest_first() -> None:
    node, store = one({0: {}, 1: document("a"), 4: document("b")})
    undo = await propose_undo(node, store, "n", to=0)
    assert [line.split(" by ")[0] for line in undone_lines(undo, 900.0)] == [
        "Undoes generation 4", "Undoes generation 1",
    ]  # fmt: skip
    assert {step.instance: step.action for step in undo.plan.steps} == {"c/0": Action.PRUNE}


async def test_one_change_alone_keeps_the_later_ones_or_is_an_overlap() -> None:
    node, store = one({0: {}, 1: document("a"), 2: document("a", "b")})
    undo = await propose_undo(node, store, "n", only=1)
    assert undo.plan.nodes[0].instances.keys() == {"c/1"}
    node, store = one({0: {}, 1: document("a"), 2: document("b")})
    assert codes((await propose_undo(node, store, "n", only=1)).plan.blockers) == ["overlap"]


async def test_nothing_to_undo_and_a_node_that_is_just_being_changed_are_blockers() -> None:
    node, store = one({0: {}})
    assert codes((await propose_undo(node, store, "n")).plan.blockers) == ["nothing_to_undo"]
    node, store = one({0: {}, 3: document("a")}, generation=2)
    assert codes((await propose_undo(node, store, "n")).plan.blockers) == ["stale"]


async def test_rows_say_who_and_what() -> None:
    node, _ = one({0: {}, 1: document("a")})
    first, last = await revisions(node, "n")
    beginning = replace(first, author="", at_unix_s=None)
    assert [cell.text for cell in revision_cells("n", beginning, 0.0)][2:5] == ["–", "–", "the node as it was found"]
    cells = revision_cells("n", last, 0.0)
    assert len(cells) == len(REVISION_COLUMNS)
    assert [cell.text for cell in cells][3:6] == ["ana", "+ c/0", "why"]


def test_a_node_is_named_unless_it_is_the_only_one() -> None:
    _, store = one({0: {}})
    found = Reached(store, None, None, None)  # type: ignore[arg-type]
    assert find_node(found, None) == find_node(found, "n") == "n"
    store.add_node("m")
    for name in (None, "x"):
        with pytest.raises(CommandFailed) as failed:
            find_node(found, name)
        assert failed.value.code is Exit.USAGE
    store.link("m", NodeState.UNREACHABLE)
    with pytest.raises(CommandFailed) as failed:
        find_node(found, "m")
    assert failed.value.code is Exit.UNREACHABLE
