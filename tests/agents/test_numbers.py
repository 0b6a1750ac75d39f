"""One number of a profile never stands for two meanings on a node."""

import pytest
from msgspec.structs import replace

from agents.errors import Refused
from agents.instances.numbers import MAX_GONE, check, stamped
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.desired.standing import Standing
from profiles.revisions.numbering import part
from profiles.revisions.revision import Revision

INSTANCES = {
    name: DesiredInstance(
        profile=profile, revision=1, spec=InstanceSpec(name=name, service=name[0], engine="vllm", model="m")
    )
    for name, profile in (("a/0", "p"), ("b/0", "q"))
}


def revision(number: int, meaning: str = "a", profile: str = "p") -> Standing:
    return Standing(profile=profile, number=number, digest=meaning * 64, nodes=("n1", "n2"))


def taken(*revisions: Standing) -> Desired:
    standing: dict[str, Standing] = {}
    for at, one in enumerate(revisions):
        standing = stamped(standing, INSTANCES, one, "ana", float(at))
    return Desired(instances=INSTANCES, standing=standing)


def heads(*revisions: Standing) -> list[Revision]:
    return [Revision(generation=at, digest="", applied=one) for at, one in enumerate(revisions)]


def test_a_number_is_taken_once() -> None:
    first, second, other = revision(1), revision(2, "b"), revision(2, "c")
    check(second, taken(first), heads(first))
    check(second, taken(first, second), heads(first, second))  # sent again, or the next wave of it
    for current, kept in ((taken(first, second), heads(first, second)), (taken(second), [])):
        with pytest.raises(Refused, match="r2 of p ") as refused:
            check(other, current, kept)
        assert refused.value.code == "stale"


def test_one_that_stood_may_stand_again_and_its_successor_keeps_its_number() -> None:
    first, second = revision(1), revision(2, "b")
    back = taken(first, second, first)
    check(first, taken(first, second), heads(first, second))
    assert (back.standing["p"].number, back.standing["p"].last) == (1, 2)
    with pytest.raises(Refused):
        check(revision(2, "c"), back, heads(first, second, first))


@pytest.mark.parametrize(
    "bad", [revision(0), revision(1, "z"), revision(1, profile="../p"), replace(revision(1), nodes=("n",) * 5000)]
)
def test_what_names_no_revision_is_refused(bad: Standing) -> None:
    with pytest.raises(Refused) as refused:
        check(bad, Desired(), [])
    assert refused.value.code == "invalid"


def test_the_node_says_who_when_and_what_it_is_here() -> None:
    stands = taken(revision(3)).standing["p"]
    assert (stands.author, stands.at_unix_s, stands.nodes, stands.last) == ("ana", 0.0, (), 3)
    assert stands.here == part(INSTANCES, "p") == part({"a/0": INSTANCES["a/0"]}, "p")
    assert part(INSTANCES, "q") != stands.here
    assert stamped({"p": stands}, {}, None, "bob", 9.0) == {"p": stands}, "an edit by hand is no revision"


def test_of_profiles_that_are_gone_the_newest_are_remembered() -> None:
    gone = taken(*(revision(1, profile=f"g{at}") for at in range(MAX_GONE + 3)), revision(1))
    assert len(gone.standing) == MAX_GONE + 1
    assert "g2" not in gone.standing
    assert {"g3", "p"} < gone.standing.keys()
