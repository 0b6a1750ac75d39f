"""One record of the audit, and how it is sealed into a chain.

    {"seq":7, "prev":"<hash of 6>", …, "hash":"<SHA-256 of all bytes before this member>"}\\n

The hash is of the very bytes of the line, not of what they mean: no two lines have the same seal, and to change,
drop or swap one is to change every one after it.
"""

import hashlib
from enum import StrEnum

import msgspec

FIRST_PREV = "0" * 64
_HASH_MEMBER = b',"hash":"'
_END = b'"}\n'
_SEAL_BYTES = len(_HASH_MEMBER) + 64 + len(_END)

_encoder = msgspec.json.Encoder()


class Kind(StrEnum):
    INTENT = "intent"
    """Durable before the effect."""
    OUTCOME = "outcome"
    """Durable before the reply; has the `act` of its intent."""
    DENIED = "denied"
    NOTE = "note"
    """Of the agent itself: starts, files that were dropped."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`author`, `label` and `address` are claims unless `label_believed`; no value of a secret is ever in here."""

    seq: int
    prev: str
    at_unix_s: float
    boottime_s: float
    boot_id: str
    agent_version: str
    kind: Kind
    act: str = ""
    verb: str = ""
    target: str = ""
    digest: str = ""
    """SHA-256 of the request."""
    reason: str = ""
    uid: int | None = None
    user: str = ""
    role: str = ""
    way: str = ""
    label: str = ""
    label_believed: bool = False
    address: str = ""
    author: str = ""
    key: str = ""
    token: int | None = None
    result: str = ""
    """`done`, or one of agents.wire.FAILURE_CODES."""
    text: str = ""
    duration_s: float | None = None
    uncounted: int = 0
    """Denials that came too fast to be written one by one, since the record before."""
    clock_jump_s: float = 0.0
    """How far the wall clock went back since the record before, when it was minutes."""
    dropped_until_seq: int | None = None
    dropped_until_hash: str = ""
    """The last record that was dropped because it was too old or the audit too large."""


class NotSealed(Exception):
    """A line is not what was written."""


def seal(record: Record) -> tuple[bytes, str]:
    """The line of a record, and its hash."""
    body = _encoder.encode(record)[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return body + _HASH_MEMBER + digest.encode() + _END, digest


def unseal(line: bytes) -> tuple[Record, str]:
    """Raises NotSealed."""
    body, tail = line[:-_SEAL_BYTES], line[-_SEAL_BYTES:]
    digest = hashlib.sha256(body).hexdigest()
    if tail != _HASH_MEMBER + digest.encode() + _END:
        raise NotSealed("the record was changed")
    try:
        return msgspec.json.decode(body + b"}", type=Record), digest
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotSealed(f"the record cannot be read ({error})") from None
