"""How long an OpenSSH user certificate is valid: a server says no more than "Permission denied" of an old one.

Its wire form is that of PROTOCOL.certkeys of OpenSSH 10: type, nonce, the fields of the key, serial, kind, key id,
principals, valid after, valid before.
"""

import base64
import binascii
import struct
from typing import NamedTuple

_KEY_FIELDS = {
    "ssh-rsa": 2, "ssh-ed25519": 1, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519": 2, "sk-ecdsa-sha2-nistp256": 3,
}  # fmt: skip
"""Strings of the public key, by its type."""

_SUFFIX = "-cert-v01@openssh.com"
_FOREVER = 2**64 - 1


class Certificate(NamedTuple):
    """Times are seconds since 1970; `until_unix_s` None never ends."""

    key_id: str
    principals: tuple[str, ...]
    from_unix_s: int
    until_unix_s: int | None


def read(line: str) -> Certificate:
    """The certificate in one line of a `-cert.pub` file. Raises ValueError."""
    try:
        return decode(base64.b64decode(line.split()[1], validate=True))
    except (IndexError, binascii.Error) as error:
        raise ValueError(f"not a certificate of OpenSSH: {error}") from None


def decode(blob: bytes) -> Certificate:
    """The same of its wire form. Raises ValueError."""
    try:
        kind, at = _string(blob, 0)
        fields = _KEY_FIELDS[kind.decode().removesuffix(_SUFFIX)]
        for _ in range(1 + fields):
            _, at = _string(blob, at)
        at += 12  # serial and kind
        key_id, at = _string(blob, at)
        packed, at = _string(blob, at)
        begins, ends = struct.unpack_from(">QQ", blob, at)
        principals = []
        inside = 0
        while inside < len(packed):
            name, inside = _string(packed, inside)
            principals.append(name.decode("utf-8", "replace"))
    except (IndexError, KeyError, struct.error) as error:
        raise ValueError(f"not a certificate of OpenSSH: {error}") from None
    return Certificate(key_id.decode("utf-8", "replace"), tuple(principals), begins, None if ends == _FOREVER else ends)


def _string(blob: bytes, at: int) -> tuple[bytes, int]:
    """The string at `at`, and where it ends."""
    (length,) = struct.unpack_from(">I", blob, at)
    end = at + 4 + length
    if end > len(blob):
        raise IndexError("it is cut off")
    return blob[at + 4 : end], end
