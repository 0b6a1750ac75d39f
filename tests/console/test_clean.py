"""Nothing that a terminal obeys gets past the decoder, and nothing else is changed."""

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import wire
from console.remote.clean import clean_json
from profiles.text.clean import clean

NASTY = st.sampled_from(
    ["\x1b]52;c;ZXZpbA==\x07", "\x1b[2J\x1b[H", "\x9b31m", "\x9d0;t\x9c", "\x1bP", "\u202e", "\u200b", "\x7f", "\x85",
     "\r", "\\u001b", "\\", '"', "\x1b\\", "\ufeff", "\U000e0041", "\x1b", "\n", "\t", "–", "é", "🙂"]
)  # fmt: skip
TEXT = (
    st.lists(st.one_of(NASTY, st.text(max_size=4)), max_size=12)
    .map("".join)
    .filter(lambda text: not any(0xD800 <= ord(sign) <= 0xDFFF for sign in text))
)


def is_safe(text):
    return all(sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Zl", "Zp") or is_format(sign)
               for sign in text)  # fmt: skip


def is_format(sign):
    """Format characters that neither turn nor hide text."""
    hidden = "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\ufeff"
    return (
        unicodedata.category(sign) == "Cf"
        and sign not in hidden
        and not 0x2060 <= ord(sign) <= 0x206F
        and not 0xE0000 <= ord(sign) <= 0xE007F
    )


@given(TEXT, st.booleans())
def test_every_string_of_a_payload_comes_out_clean(text, ascii_only):
    payload = json.dumps({text: [text, {"k": text}], "n": 1.5}, ensure_ascii=ascii_only).encode()
    decoded = msgspec.json.decode(clean_json(payload))
    assert decoded == {clean(text): [clean(text), {"k": clean(text)}], "n": 1.5}
    assert is_safe(clean(text))


@given(TEXT)
def test_cleaning_twice_changes_nothing_more(text):
    assert clean(clean(text)) == clean(text)


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=60))
def test_harmless_text_stays_as_it_is(text):
    assert clean(text) == text
    payload = msgspec.json.encode({"text": text})
    assert clean_json(payload) == payload


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;file:///etc\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;never ended\nnext", "\nnext"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\u202eb", "a\\u202eb"),
        ("\x1b(Bx", "x"),
        ("tab\tline\n", "tab\tline\n"),
        ("a\\u001bb", "a\\u001bb"),
        ("a\ufff9b\ufffe", "a\\ufff9b\\ufffe"),
    ],
)
def test_what_is_left_of_known_sequences(raw, shown):
    assert clean(raw) == shown


def test_an_ordinary_frame_is_not_copied():
    payload = wire.encode(wire.Failure(code="stale", message="the node moved on – look again…\n", hint="\ttab"))
    assert clean_json(payload) is payload


def test_a_frame_with_an_escape_decodes_to_a_clean_one():
    hostile = wire.Failure(code="x\x1b[2J", message='\x1b]52;c;AAAA\x07ok \\ " \x9b5m', id=7)
    assert wire.decode(clean_json(wire.encode(hostile))) == wire.Failure(code="x", message='ok \\ " ', id=7)


@pytest.mark.parametrize("payload", [b'{"a":"\xff\x1b"}', rb'{"a":"\ud800"}'])
def test_bytes_that_are_no_text_are_refused(payload):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(clean_json(payload))
