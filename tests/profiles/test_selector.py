"""The words that choose nodes: what each chooses, and what cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.text.selector import EVERY, BadSelector, selector

NODES = {
    "fra-1": {"site": "fra", "rack": "a3"},
    "fra-2": {"site": "fra", "maintenance": "yes"},
    "ams-1": {"site": "ams"},
    "edge-9": {},
}


def chosen(text: str) -> list[str]:
    wanted = selector(text)
    return [name for name, labels in NODES.items() if wanted.chooses(name, labels)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fra-1", ["fra-1"]),
        ("maintenance", ["fra-2"]),
        ("site=fra", ["fra-1", "fra-2"]),
        ("site = fra & !maintenance", ["fra-1"]),
        ("site=fra&rack~a", ["fra-1"]),
        ("name~-1", ["fra-1", "ams-1"]),
        ("name=fra-2|edge-9", ["fra-2", "edge-9"]),
        ("!site", ["edge-9"]),
        ("!(site=fra | edge-9)", ["ams-1"]),
        ("site=ams | site=fra & rack", ["fra-1", "ams-1"]),
        ("(site=ams | site=fra) & rack", ["fra-1"]),
        ("!!rack", ["fra-1"]),
        ("nobody", []),
    ],
)
def test_what_is_chosen(text: str, names: list[str]) -> None:
    assert chosen(text) == names


def test_nothing_asked_chooses_all() -> None:
    assert all(EVERY.chooses(name, labels) for name, labels in NODES.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a label or a node is missing at the end"),
        ("site=", "`=` cannot be read"),
        ("site=fra &", "a label or a node is missing at the end"),
        ("& fra-1", "a label or a node is missing before `&`"),
        ("fra-1 fra-2", "`fra-2` is not expected there"),
        ("(fra-1", "a bracket is left open"),
        ("fra-1)", "`)` is not expected there"),
        ("site==fra", "`==fra` cannot be read"),
        ("fra-*", "`*` cannot be read"),
        ("!" * 40 + "a", "nested deeper than 16"),
        ("(" * 5000, "nested deeper than 16"),
        ("a\x1f", "`\x1f` cannot be read"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(BadSelector) as caught:
        selector(text)
    assert caught.value.message == message
    assert caught.value.hint


@given(st.text(max_size=40) | st.text(alphabet="ab!&|()=~ -", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        wanted = selector(text)
    except BadSelector:
        return
    opposite = selector(f"!({text})")
    assert all(wanted.chooses(name, labels) is not opposite.chooses(name, labels) for name, labels in NODES.items())
