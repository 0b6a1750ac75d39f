"""Strict YAML: what is read, what is refused and where, and that nothing but FileError ever comes out."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.desired.model import Profile
from profiles.text.yamltext import MAX_BYTES, MAX_DEPTH, MAX_NODES, FileError, Mark, convert, read


class Box(msgspec.Struct, forbid_unknown_fields=True):
    size: int


def refusal(text: str) -> FileError:
    with pytest.raises(FileError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("true", True), ("false", False), ("null", None), ("~", None), ("", None), ("17", 17), ("-3", -3), ("0", 0),
        ("1.5", 1.5), ("1e3", 1000.0), ("12:30:45", "12:30:45"), ("2026-01-31", "2026-01-31"), ("'yes'", "yes"),
        ('"017"', "017"), ("8.0.1", "8.0.1"), ("fra-1/0", "fra-1/0"), ("{}", {}), ("[]", []), ("é", "é"),
    ],
)  # fmt: skip
def test_scalars(scalar: str, value: object) -> None:
    found = read(f"key: {scalar}").data
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize(
    "scalar",
    ["yes", "No", "on", "OFF", "y", "True", "NULL", "017", "0o17", "0x1f", "1_000", ".inf", "-.NaN", "1e999",
     "12345678901234567890", "!!str 1", "!x y", "&a 1", "*a", '"\\e[31m"', '"\\0"'],
)  # fmt: skip
def test_refused_scalars(scalar: str) -> None:
    error = refusal(f"good: 1\nkey: {scalar}")
    assert (error.line, error.column) == (2, 6)
    assert error.hint


def test_refused_documents() -> None:
    assert (refusal("").line, refusal("# only words\n").message) == (1, "the file is empty")
    assert refusal("a: 1\n---\nb: 2").message == "a second document begins here"
    assert str(refusal("a: 1\nb: 2\na: 3")) == "text:3:1: `a` is here twice, first in line 1"
    assert refusal("1: a").message == refusal("[a]: b").message == "a key must be text"
    assert "not valid YAML" in refusal("a: [1").message
    assert refusal("a: \ud800").message == "not UTF-8 text"


def test_limits() -> None:
    read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert "nested" in refusal("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).message
    assert "nested" in refusal("[" * 200_000).message
    assert "nested" in refusal("{a: " * 60_000).message
    assert refusal("- 1\n" * (MAX_NODES + 1)).message == f"more than {MAX_NODES} values"
    assert "larger than" in refusal("#" * (MAX_BYTES + 1)).message


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(FileError, match="No such file"):
        read(path)
    with pytest.raises(FileError, match="directory"):
        read(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="not UTF-8"):
        read(path)
    path.write_text("\ufeffa:\n  - b\n  - c: 1\n")
    document = read(path)
    assert document.data == {"a": ["b", {"c": 1}]}
    assert document.values["a", 1, "c"] == Mark(3, 8)
    assert document.keys["a", 1, "c"] == Mark(3, 5)


def test_convert_points_at_the_entry_behind_a_hidden_key() -> None:
    text = "gpuyard: 1\nprofile: p\nservices:\n  a: {model: m}\n  b:\n    modl: m\n"
    with pytest.raises(FileError) as caught:
        convert(read(text, "p.yaml"), Profile)
    assert str(caught.value) == "p.yaml:6:5: unknown key `modl`"
    assert caught.value.hint == "did you mean `model`?"


def test_convert_of_a_whole_document_of_the_wrong_kind() -> None:
    with pytest.raises(FileError, match=r"text:1:1: expected a mapping \(key: value\), found a list"):
        convert(read("- 1"), Box)
    assert convert(read("size: 3"), Box) == Box(3)


PIECES = st.sampled_from(
    ["a", "b:", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ",", "'", '"', "&x ", "*x", "!t ", "|", ">", "#", "---\n",
     "yes", "0x1", "~", "? ", "%", "\\", "\t", "1e9", "gpuyard: 1\n", "services:\n", "<<: "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_random_text_is_read_or_refused(text: str) -> None:
    with suppress(FileError):
        document = read(text)
        assert document.values[()].line >= 1
        with pytest.raises(FileError):
            convert(document, Profile)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_is_read_as_it_is(value: object) -> None:
    assert read(msgspec.json.encode(value).decode()).data == value
