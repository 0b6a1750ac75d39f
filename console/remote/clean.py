"""Cleans everything that comes over the wire; it stands before the decoder.

The toolkit lets most control characters through (Textual 8.2.8), so no string that carries one ever becomes an
object of the console.

    payload ──clean_json──► the same JSON, its strings clean ──wire.decode──► frames
"""

import re

import msgspec

from profiles.text.clean import clean

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SUSPECT = re.compile(
    rb"\\[ubfr]|[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]"
    rb"|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb\xbe\xbf]|\xf3\xa0[\x80\x81]"
)


def clean_json(payload: bytes) -> bytes:
    """`payload` with every string in it, keys too, clean. Raises msgspec.DecodeError or UnicodeDecodeError.

    A payload without a suspicious byte, that is nearly every one, is returned as it is.
    """
    return _STRING.sub(_clean_string, payload) if _SUSPECT.search(payload) else payload


def _clean_string(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if not _SUSPECT.search(token):
        return token
    return msgspec.json.encode(clean(msgspec.json.decode(token, type=str)))
