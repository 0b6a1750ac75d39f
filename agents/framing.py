"""Cutting a byte stream into frames, without any I/O. Agent and console both use it.

    [≤ 64 KiB of a login shell's talk] "gpuyard/1 <nonce>\\n" │ length, JSON │ length, JSON │ …

Errors, all of them final for the connection:
    FramingError
    ├── NotAnAgent      no preamble in what came; `sample` shows the beginning of it
    ├── OtherProtocol   a preamble of another major version
    ├── TooLong         a frame announces more bytes than are allowed
    └── BadFrame        the bytes of a frame are not one that we know
"""

import re

import msgspec

from agents import wire

MAX_FRAME_BYTES = 1024 * 1024
HEADER_BYTES = 4
SAMPLE_CHARS = 200

_PREAMBLE = re.compile(rb"gpuyard/(\d{1,4}) ([0-9a-zA-Z]{1,64})\n")
_MAJOR = int(wire.PREAMBLE.partition(b"/")[2])
_LONGEST_PREAMBLE_BYTES = 80


class FramingError(Exception):
    """`message` says what came, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotAnAgent(FramingError):
    """`sample` is the beginning of what came, printable."""

    def __init__(self, message: str, sample: str) -> None:
        super().__init__(message, "see that the login shell prints nothing and that gpuyard-agent is installed there")
        self.sample = sample


class OtherProtocol(FramingError):
    """`version` is the major version of the other side."""

    def __init__(self, version: int) -> None:
        older = "this" if version > _MAJOR else "the other"
        super().__init__(f"the other side speaks gpuyard/{version}, this one gpuyard/{_MAJOR}", f"upgrade {older} side")
        self.version = version


class TooLong(FramingError):
    """A frame is longer than allowed; none of its bytes were kept."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"a frame of {length} bytes was announced, at most {limit} are allowed")
        self.length = length
        self.limit = limit


class BadFrame(FramingError):
    """Not JSON, or not a frame of this protocol."""


class Splitter:
    """Turns bytes, cut anywhere, into payloads. Holds at most one frame; unusable after an error.

    `preamble` False starts at the first frame; `first_frame_bytes` is the limit of that frame alone. `nonce` is
    what the preamble carried, None until it came.
    """

    def __init__(
        self, *, preamble: bool = True, max_frame_bytes: int = MAX_FRAME_BYTES, first_frame_bytes: int | None = None
    ) -> None:
        self.nonce: str | None = None
        self._preamble = preamble
        self._limit = max_frame_bytes
        self._limit_now = max_frame_bytes if first_frame_bytes is None else first_frame_bytes
        self._buffer = bytearray()
        self._failed: FramingError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The payloads that `data` completes. Raises FramingError, at once and at every later call.

        Payloads before a bad length in the same `data` are lost with it: the connection is over anyway.
        """
        if self._failed:
            raise self._failed
        try:
            self._buffer += data
            if self._preamble and not self._skip_preamble():
                return []
            return self._cut()
        except FramingError as error:
            self._failed = error
            self._buffer.clear()
            raise

    def close(self) -> None:
        """The stream ended. Raises NotAnAgent before the preamble, BadFrame within a frame."""
        if self._failed:
            raise self._failed
        if self._preamble:
            raise self._no_preamble("the stream ended before the agent answered")
        if self._buffer:
            raise BadFrame(f"the stream ended within a frame, after {len(self._buffer)} bytes of it")

    def _skip_preamble(self) -> bool:
        found = _PREAMBLE.search(self._buffer, 0, wire.MAX_NOISE_BYTES + _LONGEST_PREAMBLE_BYTES)
        if found and found.start() <= wire.MAX_NOISE_BYTES:
            version, nonce = int(found[1]), found[2].decode("ascii")
            end = found.end()
            del found  # its view of the buffer forbids the cut
            if version != _MAJOR:
                raise OtherProtocol(version)
            self.nonce = nonce
            del self._buffer[:end]
            self._preamble = False
            return True
        if len(self._buffer) > wire.MAX_NOISE_BYTES + _LONGEST_PREAMBLE_BYTES:
            raise self._no_preamble(f"no agent answered in {wire.MAX_NOISE_BYTES // 1024} KiB of output")
        return False

    def _cut(self) -> list[bytes]:
        payloads = []
        at, end = 0, len(self._buffer)
        while end - at >= HEADER_BYTES:
            length = int.from_bytes(self._buffer[at : at + HEADER_BYTES], "big")
            if length > self._limit_now:
                raise TooLong(length, self._limit_now)
            if end - at - HEADER_BYTES < length:
                break
            at += HEADER_BYTES
            payloads.append(bytes(self._buffer[at : at + length]))
            at += length
            self._limit_now = self._limit
        del self._buffer[:at]
        return payloads

    def _no_preamble(self, message: str) -> NotAnAgent:
        text = self._buffer[: SAMPLE_CHARS * 4].decode("utf-8", "replace")
        sample = "".join(char if char.isprintable() else " " for char in text).strip()[:SAMPLE_CHARS]
        return NotAnAgent(f"{message}: {sample}" if sample else message, sample)


class FrameReader(Splitter):
    """A Splitter that also decodes."""

    def frames(self, data: bytes | bytearray | memoryview) -> list[wire.AnyFrame]:
        """The frames that `data` completes. Raises FramingError."""
        try:
            return [decode(payload) for payload in self.feed(data)]
        except BadFrame as error:
            self._failed = error
            raise


def decode(payload: bytes) -> wire.AnyFrame:
    """Raises BadFrame; fields that we do not know are ignored."""
    try:
        return wire.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"not a frame of this protocol: {error}") from None


def encode(frame: wire.AnyFrame) -> bytes:
    """The frame with its length. Raises TooLong for one that no peer would take."""
    payload = wire.encode(frame)
    if len(payload) > MAX_FRAME_BYTES:
        raise TooLong(len(payload), MAX_FRAME_BYTES)
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def preamble(nonce: str) -> bytes:
    """The first line of either side."""
    return wire.PREAMBLE + nonce.encode("ascii") + b"\n"
