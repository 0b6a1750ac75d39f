"""Profiles as rows: which revision they say, and of how many nodes."""

from console.render.profiles import drift_cell, profile_view
from console.store import Store
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.desired.standing import Standing
from profiles.observed.status import Phase
from profiles.revisions.numbering import part
from tests.console.peer import instance, snapshot


def filled(**numbers: tuple[int, bool]) -> Store:
    """Node → the revision of `p` that stands there, and whether something of it is there."""
    store = Store()
    for node, (number, here) in numbers.items():
        spec = InstanceSpec(name=f"chat/{number}", service="chat", engine="simulated", model="m")
        held = {spec.name: DesiredInstance(profile="p", revision=1, spec=spec)} if here else {}
        stands = Standing(profile="p", number=number, digest=str(number), last=number, here=part(held, "p"))
        store.add_node(node)
        document = Desired(generation=1, instances=held, standing={"p": stands})
        store.receive(node, snapshot(*(instance(name, Phase.READY) for name in held), desired=document))
    return store


def test_a_profile_is_at_the_revisions_of_the_nodes_that_run_some_of_it() -> None:
    assert profile_view(filled(a=(4, True), b=(5, True)), "p").numbers == (5, 4)
    assert profile_view(filled(a=(4, False), b=(5, True)), "p").numbers == (5,)


def test_one_that_is_down_is_at_its_last_revision_and_not_partly() -> None:
    view = profile_view(filled(a=(4, False), b=(5, False)), "p")
    assert view.numbers == (5,)
    assert drift_cell(view).text == ""
