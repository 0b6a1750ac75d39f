from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import framing, wire
from agents.framing import BadFrame, FrameReader, FramingError, NotAnAgent, OtherProtocol, Splitter, TooLong

PREAMBLE = framing.preamble("00ff00ff00ff00ff")

FRAMES = st.one_of(
    st.builds(wire.Ping, number=st.integers(0, 2**53)),
    st.builds(wire.Pong, number=st.integers(0, 2**53)),
    st.builds(wire.Failure, code=st.sampled_from(wire.FAILURE_CODES), message=st.text(), hint=st.text()),
    st.builds(wire.Hello, version=st.text(max_size=40), node=st.text(max_size=40)),
)


def feed_in_pieces(reader: FrameReader, data: bytes, cuts: list[int]) -> list[wire.AnyFrame]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [frame for start, end in pairwise(edges) for frame in reader.frames(data[start:end])]


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 10**6), max_size=12), st.text(max_size=300))
def test_cut_anywhere_gives_the_same_frames(frames: list[wire.AnyFrame], cuts: list[int], noise: str) -> None:
    reader = FrameReader()
    stream = noise.encode() + PREAMBLE + b"".join(map(framing.encode, frames))
    assert feed_in_pieces(reader, stream, cuts) == frames
    assert reader.nonce == "00ff00ff00ff00ff"
    reader.close()


@given(st.binary(max_size=4096), st.lists(st.integers(0, 10**6), max_size=6), st.booleans())
def test_random_bytes_raise_only_what_is_declared(data: bytes, cuts: list[int], preamble: bool) -> None:
    reader = FrameReader(preamble=preamble, max_frame_bytes=1024)
    with suppress(FramingError):
        feed_in_pieces(reader, data, cuts)
    with suppress(FramingError):
        reader.close()
    assert len(reader._buffer) <= 1024 + framing.HEADER_BYTES or reader.nonce is None


def test_length_is_refused_before_anything_is_buffered() -> None:
    splitter = Splitter(preamble=False, max_frame_bytes=100)
    with pytest.raises(TooLong) as caught:
        splitter.feed((101).to_bytes(4, "big"))
    assert (caught.value.length, caught.value.limit) == (101, 100)
    with pytest.raises(TooLong):
        splitter.feed(b"")


def test_longest_frame_passes() -> None:
    assert Splitter(preamble=False, max_frame_bytes=3).feed(b"\0\0\0\3abc") == [b"abc"]


@pytest.mark.parametrize(("size", "passes"), [(wire.MAX_NOISE_BYTES, True), (wire.MAX_NOISE_BYTES + 1, False)])
def test_noise_is_skipped_up_to_its_limit(size: int, passes: bool) -> None:
    splitter = Splitter()
    stream = b"n" * size + PREAMBLE + b"\0" * 100
    if passes:
        splitter.feed(stream)
        assert splitter.nonce
    else:
        with pytest.raises(NotAnAgent):
            splitter.feed(stream)


def test_noise_is_shown_without_control_characters() -> None:
    splitter = Splitter()
    splitter.feed(b"\x1b[31mbash: gpuyard-agent: command not found\n")
    with pytest.raises(NotAnAgent) as caught:
        splitter.close()
    assert "command not found" in caught.value.sample
    assert "\x1b" not in caught.value.message
    assert caught.value.hint


def test_endless_noise_is_given_up() -> None:
    splitter = Splitter()
    with pytest.raises(NotAnAgent):  # noqa: PT012 - the call that fails is one of many
        for _ in range(100):
            splitter.feed(b"y\n" * 1000)


def test_other_major_version_is_named() -> None:
    with pytest.raises(OtherProtocol) as caught:
        Splitter().feed(b"gpuyard/2 abc\n")
    assert caught.value.version == 2
    assert "upgrade this side" in caught.value.hint


def test_end_within_a_frame_is_an_error() -> None:
    splitter = Splitter(preamble=False)
    splitter.feed(framing.encode(wire.Ping(number=1))[:-1])
    with pytest.raises(BadFrame):
        splitter.close()


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"type":"nothing"}', b"\xff", b'{"type":"ping"}', b"[" * 5000])
def test_bad_payload(payload: bytes) -> None:
    reader = FrameReader(preamble=False)
    with pytest.raises(BadFrame):
        reader.frames(len(payload).to_bytes(4, "big") + payload)


def test_unencodably_long_frame_is_refused() -> None:
    with pytest.raises(TooLong):
        framing.encode(wire.Failure(code="internal", message="x" * framing.MAX_FRAME_BYTES))


@given(st.lists(st.binary(max_size=50), max_size=200))
def test_memory_is_bounded_by_one_frame(pieces: list[bytes]) -> None:
    splitter = Splitter(preamble=False, max_frame_bytes=64)
    with suppress(TooLong):
        for piece in pieces:
            splitter.feed(piece)
            assert len(splitter._buffer) < 64 + framing.HEADER_BYTES
