"""Data written as YAML is read as that data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.text.document import Plain
from profiles.text.written import written
from profiles.text.yamltext import read

TEXTS = st.one_of(st.text("yn01e.:-# ~oabx'\"{}&*!|>%@`é\n", max_size=8), st.text(st.characters(codec="ascii")))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False),
    TEXTS.filter(lambda text: all(sign >= " " and sign != "\x7f" for sign in text)),
)  # fmt: skip
KEYS = st.sampled_from(["a", "on", "1", "1e5", "0o17", "chat/0", "", "~", "a b", "- x", "12:30:45", "x: y"])
DATA: st.SearchStrategy[Plain] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


@given(DATA)
def test_it_comes_back(data: Plain) -> None:
    assert read(written({"data": data})).data == {"data": data}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "k: meta-llama/Llama-3.3-70B-Instruct\n"),
        ("/models/a.gguf", "k: /models/a.gguf\n"),
        ("Chat and embeddings", "k: Chat and embeddings\n"),
        ("yes", 'k: "yes"\n'),
        ("30%", 'k: "30%"\n'),
    ],
)
def test_what_needs_no_quotes_has_none(text: str, line: str) -> None:
    assert written({"k": text}) == line
