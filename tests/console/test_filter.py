"""The language of filters, on the rows that the fixtures' store makes."""

import json

import pytest

from console.cli.lists import LISTINGS
from console.cli.parser import run
from console.filter import BadFilter, find_column, read
from tests.fakes.fleet import filled


def chosen(kind: str, text: str) -> list[str]:
    listed = LISTINGS[kind]
    found = read(text, listed.columns)
    return [one.name for one in listed.entries(filled()) if any(found.matches(row) for row in one.rows)]


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("gpus", "util>90 & node~fra-1", [f"fra-1/{at}" for at in range(8)]),
        ("gpus", "UTIL>90 & gpu>=6", ["fra-1/6", "fra-1/7"]),
        ("gpus", "used>65 & used<100 & node=fra-2", [f"fra-2/{at}" for at in range(4)]),
        ("gpus", "state=throttled | tenants~whisper", ["fra-1/3", "fra-2/5"]),
        ("gpus", "whisper", ["fra-2/5"]),
        ("gpus", "node=fra-? & !(gpu>0)", ["fra-1/0", "fra-2/0"]),
        ("gpus", "node!~fra & gpu=7", ["ams-1/7"]),
        ("instances", "ttft>1s", ["fra-1:llama-70b/0"]),
        ("instances", "queue>=1 & ttft<1000ms", ["fra-1:llama-70b/1", "fra-2:qwen3-32b/1"]),
        ("instances", "for>1h & phase=stopped", ["ams-1:embed/0"]),
        ("instances", 'why~"CUDA out"', ["fra-2:rerank/0"]),
        ("services", "ready=0/1", ["rerank"]),
        ("gpus", "  ", [f"{node}/{at}" for node in ("fra-1", "fra-2", "ams-1") for at in range(8)]),
    ],
)
def test_rows_are_chosen(kind: str, text: str, names: list[str]) -> None:
    assert sorted(chosen(kind, text)) == sorted(names)


def test_what_is_unknown_is_neither_more_nor_less() -> None:
    known = chosen("instances", "queue>=0")
    assert known
    assert not set(known) & set(chosen("instances", "!(queue>=0)"))
    assert "fra-2:rerank/0" in chosen("instances", "!(queue>=0)")
    assert "fra-2:rerank/0" not in chosen("instances", "queue<1")


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("state=ok & utl>90", 11, "no column is called utl"),
        ("util>", 5, "a value after `>` is missing"),
        ("util>much", 5, "“much” is none"),
        ("ttft>800", 5, "ttft is a time"),
        ("node>fra", 4, "neither more nor less"),
        ("a & ", 4, "something to look for is missing"),
        ("a & | b", 4, "something to look for is missing"),
        ("(a | b", 0, "left open"),
        ("a) b", 1, "not expected"),
        ('node="fra', 5, "this quote is left open"),
        ("(" * 20 + "a", 17, "nested deeper"),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, at: int, said: str) -> None:
    with pytest.raises(BadFilter) as wrong:
        read(text, LISTINGS["gpus"].columns)
    assert (wrong.value.at, said in wrong.value.message) == (at, True), wrong.value.message


def test_a_column_is_found_by_id_title_and_other_names() -> None:
    columns = LISTINGS["gpus"].columns
    names = ("busy", "util", "Busy %", "ttft", "TTFT p95", "tenants", "UUID")
    assert [columns[find_column(name, columns)].id for name in names] == [
        "busy", "busy", "busy", "ttft", "ttft", "tenants", "uuid",
    ]  # fmt: skip


def test_the_command_line_shows_a_mistake_under_the_filter_and_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gpus", "--filter", "node~漢 & utl>90"]) == 64
    filter_line, caret, message = capsys.readouterr().err.splitlines()
    assert filter_line == "gpuyard: node~漢 & utl>90"
    assert caret == f"gpuyard: {' ' * 10}^"
    assert message == "gpuyard: --filter: no column is called utl — did you mean util?"
    assert run(["gpus", "--sort", "utl"]) == 64


def test_a_sort_begins_with_the_largest_number_or_the_first_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from console.cli.lists import _print
    from console.cli.output import Format
    from console.cli.shape import Shape

    columns = LISTINGS["instances"].columns

    def names(column: str, *, descending: bool, text: str = "") -> list[str]:
        shape = Shape(columns, read(text, columns), find_column(column, columns), descending)
        _print("instances", Format.JSON, filled(), shape)
        return [item["name"] for item in json.loads(capsys.readouterr().out)["items"]]

    assert names("queue", descending=True)[:2] == ["llama-70b/0", "llama-70b/1"]
    ordered = names("queue", descending=False)
    assert ordered[:1] == ["qwen3-32b/0"]
    assert set(ordered[-3:]) == {"rerank/0", "llama-70b/2", "embed/0"}, "the unknown is last either way"
    assert names("instance", descending=False, text="phase=ready")[0] == "llama-70b/0"
