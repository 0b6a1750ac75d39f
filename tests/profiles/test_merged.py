"""One list of a profile's revisions from what its nodes keep, and which of them a word means."""

from msgspec.structs import replace

from profiles.desired.standing import Standing
from profiles.observed.status import Reason
from profiles.revisions.merged import ProfileRevision, Record, choose, merged, stands
from profiles.revisions.revision import Revision


def revision(number: int, digest: str = "", profile: str = "p", nodes: tuple[str, ...] = ("a", "b")) -> Standing:
    return Standing(profile=profile, number=number, digest=digest or f"d{number}", nodes=nodes)


def record(*revisions: Standing, skew_s: float = 0.0, tags: tuple[str, ...] = ()) -> Record:
    """A node that took them one after the other."""
    heads = tuple(
        Revision(generation=at, digest="", author="ana", reason=f"apply {one.number}", at_unix_s=100.0 + at,
                 what=f"x/{at} changed", applied=one, tags=tags if at == 1 else ())
        for at, one in enumerate(revisions, 1)
    )  # fmt: skip
    return Record(heads, {one.profile: one for one in revisions}, skew_s)


def chosen(found: list[ProfileRevision], word: str) -> int | str:
    one = choose("p", found, word)
    return one.code if isinstance(one, Reason) else one.number


def test_nodes_that_lack_one_or_stand_elsewhere_are_named() -> None:
    found = merged({"a": record(revision(1), revision(2)), "b": record(revision(1), skew_s=50.0)})
    first, second = found
    assert (list(first.on), first.stands_on, first.lacking) == (["a", "b"], ("b",), ())
    assert (list(second.on), second.stands_on, second.lacking) == (["a"], ("a",), ("b",))
    assert first.at_unix_s == 51.0, "by this console's clock, the earliest"
    assert first.what == "x/1 changed"
    assert stands(found) == second


def test_a_way_back_says_from_what_and_not_why() -> None:
    """Somebody may have asked for it: nothing has to have failed."""
    (one,) = merged({"a": record(replace(revision(1), takes_back=2))})
    assert one.reason == "took back r2 (apply 1)"


def test_two_of_one_number_disagree_and_neither_is_chosen() -> None:
    found = merged({"a": record(revision(1, "x", nodes=("a",))), "b": record(revision(1, "y", nodes=("b",)))})
    assert [one.disagrees for one in found] == [True, True]
    assert chosen(found, "r1") == "ambiguous"


def test_a_word_is_a_number_a_tag_or_a_way_back() -> None:
    node = record(*(revision(number) for number in (3, 4, 5)), revision(1, profile="q"), tags=("known-good",))
    found = merged({"a": node})
    assert [chosen(found, word) for word in ("r4", "5", "known-good", "-1", "-2")] == [4, 5, 3, 4, 3]
    assert [chosen(found, word) for word in ("r9", "other", "-3", "-0")] == ["not_found"] * 4
    missing = choose("nobody", found, "r1")
    assert isinstance(missing, Reason)
    assert missing.hint == "profiles with revisions: p, q"
