"""What whoever scrapes is answered: GET and HEAD of /metrics, and nothing else. Pure.

head of a request ──answer──► bytes of the response, after which the connection ends
"""

from collections.abc import Callable, Iterable

from profiles.watching.exposition import CONTENT_TYPE

HEAD_MAX_BYTES = 8192
HEAD_LIMIT_S = 5.0
AT_ONCE = 16
"""Bounds of the one who listens: whoever asks slowly, or for more than a head, gets nothing."""


def answer(head: bytes, page: Callable[[], str]) -> bytes:
    """`page` is asked only for what is there."""
    method, _, rest = head.split(b"\r\n", 1)[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _told("405 Method Not Allowed", ["Allow: GET, HEAD"], b"")
    if path != b"/metrics":
        return _told("404 Not Found", ["Content-Type: text/plain"], b"see /metrics\n")
    body = page().encode()
    told = _told("200 OK", [f"Content-Type: {CONTENT_TYPE}"], body)
    return told[: len(told) - len(body)] if method == b"HEAD" else told


def _told(status: str, headers: Iterable[str], body: bytes) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body
