"""Which kept documents stood when, where some between them are gone."""

from profiles.desired.standing import Standing
from profiles.revisions.heads import began, meant, of_revision, pinned, predecessor, stood
from profiles.revisions.revision import Revision


def head(generation: int, follows: int | None = None, number: int = 0) -> Revision:
    applied = Standing(profile="p", number=number, digest=f"d{number}") if number else None
    return Revision(generation=generation, digest="", applied=applied, follows=follows)


def generation(found: Revision | None) -> int | None:
    return found.generation if found else None


def test_what_is_gone_is_not_taken_for_something_older() -> None:
    heads = [head(2, 1), head(5, 2), head(9, 8), head(12, 9)]
    assert [generation(stood(heads, at)) for at in (1, 2, 4, 5, 7, 9, 11, 99)] == [None, 2, 2, 5, None, 9, 9, 12]
    assert [generation(predecessor(heads, one)) for one in heads] == [None, 2, None, 9]
    old = [head(2), head(5)]
    assert generation(predecessor(old, old[1])) == 2, "an older agent kept all between"


def test_a_revision_begins_where_it_was_first_applied_though_a_later_one_was_tried_and_taken_back() -> None:
    heads = [head(1, 0, 1), head(2, 1, 2), head(3, 2), head(4, 3, 2), head(5, 4, 1), head(6, 5)]
    first, second = (Standing(profile="p", number=one, digest=f"d{one}") for one in (1, 2))
    assert generation(began(heads, first)) == 1
    assert generation(began(heads[:4], second)) == 2
    assert [one.generation for one in of_revision(heads, second)] == [2, 4]


def test_the_way_back_from_a_failed_apply_means_what_stood_before_it() -> None:
    first, second = (Standing(profile="p", number=one, digest=f"d{one}") for one in (1, 2))
    way_back = Standing(profile="p", number=3, digest="d1", takes_back=2)
    back = Revision(generation=3, digest="", applied=way_back, follows=2)
    heads = [head(0), head(1, 0, 1), head(2, 1, 2), back]
    assert meant(heads, way_back) == first
    assert meant(heads, second) == second
    assert meant(heads[2:], way_back) is None
    again = Standing(profile="p", number=5, digest="d1", takes_back=4)
    assert meant([*heads, head(4, 3, 4)], again) == first, "through both"
    assert pinned([*heads, head(4, 3)], {"p": way_back}, [], 1) == {0, 3, 4}


def test_what_stands_or_has_a_name_is_not_forgotten() -> None:
    heads = [head(at, at - 1, at if at < 5 else 0) for at in range(1, 10)]
    standing = Standing(profile="p", number=4, digest="d4")
    tagged = Standing(profile="p", number=1, digest="d1")
    assert pinned(heads, {"p": standing}, [tagged], 2) == {1, 3, 4, 8, 9}
