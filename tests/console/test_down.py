"""What `down` takes away, and what it refuses."""

import pytest

from console.cli.down import _targets
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached
from console.operations import Operations
from console.store import NodeState, Store
from profiles.desired.model import Desired
from profiles.observed.status import Phase, Reason
from profiles.plans.plan import Action
from tests.console.peer import instance, snapshot
from tests.console.test_operations import Nodes, desired


def reached(**documents: Desired) -> Reached:
    store = Store()
    for node, document in documents.items():
        store.add_node(node)
        names = document.instances
        store.receive(node, snapshot(*(instance(name, Phase.READY) for name in names), desired=document))
    return Reached(store, None, Operations(Nodes(), store), None)  # type: ignore[arg-type]


def mixed() -> Desired:
    ours, others = desired("chat/0", "rag/0"), desired("other/0", profile="q")
    return Desired(generation=5, instances=ours.instances | others.instances)


def test_a_whole_profile_goes_from_every_node_and_nothing_else():
    found = reached(a=mixed(), b=desired("chat/1"), c=desired("x/0", profile="q"))
    plan = found.operations.propose_down("p", _targets(found, "p", []))
    assert [(step.action, step.node, step.instance) for step in plan.steps] == [
        (Action.PRUNE, "a", "chat/0"), (Action.PRUNE, "a", "rag/0"), (Action.PRUNE, "b", "chat/1")
    ]  # fmt: skip
    assert {edit.node: set(edit.instances) for edit in plan.nodes} == {"a": {"other/0"}, "b": set()}
    assert (plan.title, plan.blockers) == ("down p", ())


def test_a_part_of_a_profile_goes_and_the_rest_is_left_as_it_is():
    document = mixed()
    found = reached(a=document)
    plan = found.operations.propose_down("p", _targets(found, "p", ["rag"]))
    assert [step.instance for step in plan.steps if step.action is Action.PRUNE] == ["rag/0"]
    assert plan.nodes[0].instances == {name: document.instances[name] for name in ("chat/0", "other/0")}


@pytest.mark.parametrize(
    ("names", "said"), [(["other"], "other/0 on a is of profile q"), (["nobody"], "no instance nobody")]
)
def test_what_is_not_of_the_profile_is_refused(names, said):
    with pytest.raises(CommandFailed) as failed:
        _targets(reached(a=mixed()), "p", names)
    assert (failed.value.code, failed.value.reason.text) == (Exit.FAILED, said)


def test_an_unknown_profile_is_told_which_there_are(capsys):
    found = reached(a=mixed())
    with pytest.raises(CommandFailed) as failed:
        _targets(found, "r", [])
    assert (failed.value.code, failed.value.reason.hint) == (Exit.FAILED, "profiles: p, q")
    found.store.add_node("b")
    found.store.link("b", NodeState.REFUSED, Reason("auth_failed", "refused the login"))
    with pytest.raises(CommandFailed) as failed:
        _targets(found, "r", [])
    assert failed.value.code is Exit.UNREACHABLE
    assert "refused the login" in capsys.readouterr().err
