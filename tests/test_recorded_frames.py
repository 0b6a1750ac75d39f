"""Frames that released versions sent decode today, and nothing that is said was left out of the recording."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import pytest

from agents import wire
from tests.fixtures.record_frames import missing

RECORDINGS = Path(__file__).parent / "fixtures"
DIGESTS = {"frames-0.1.0": "56c74d96d72c17f4054755ae14d67953212d7247645f803c1155b1bae0c82bff"}
"""A recording that is made anew has another: of a version that was released, that is a mistake."""


def lines(recording: str) -> list[bytes]:
    files = sorted((RECORDINGS / recording).glob("*.jsonl"))
    return [line for file in files for line in file.read_bytes().splitlines()]


def test_every_recording_is_known() -> None:
    assert {path.name for path in RECORDINGS.glob("frames-*")} == set(DIGESTS)


@pytest.mark.parametrize("recording", DIGESTS)
def test_a_recording_is_what_it_was(recording: str) -> None:
    assert hashlib.sha256(b"\n".join(lines(recording))).hexdigest() == DIGESTS[recording]


@pytest.mark.parametrize("recording", DIGESTS)
def test_what_was_said_then_is_understood_now(recording: str) -> None:
    for line in lines(recording):
        frame = wire.decode(line)
        assert wire.decode(wire.encode(frame)) == frame


def test_this_version_s_recording_has_every_frame_request_and_answer() -> None:
    """Until it is released: `python -m tests.fixtures.record_frames --again`, and the new digest above."""
    assert missing(lines(f"frames-{version('gpuyard')}")) == set()
