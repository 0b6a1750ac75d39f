"""What can go wrong between the console and a node.

Errors:
    RemoteError                `reason` says what happened and what to do next
    ├── Lost                   the link broke or could not be made; it is tried again by itself
    ├── LinkRefused            a key, a login, a protocol or a role; only a person can change that
    │   └── HostKeyUnknown     nobody has vouched for the host's key yet; `key` is what it showed
    └── RequestFailed          a request was not carried out; `node` is whose
        └── NodeUnreachable    because there is no link, or it broke before the answer came
"""

from console.remote.hostkeys import UnknownKey
from profiles.observed.status import Reason


class RemoteError(Exception):
    """`str()` is one line: what happened — what to do next."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason.text} — {self.reason.hint}" if self.reason.hint else self.reason.text


class Lost(RemoteError):
    """The link is gone or was never there."""


class LinkRefused(RemoteError):
    """Trying again changes nothing."""


class HostKeyUnknown(LinkRefused):
    """A person may compare the fingerprint and say yes."""

    def __init__(self, reason: Reason, key: UnknownKey) -> None:
        super().__init__(reason)
        self.key = key


class RequestFailed(RemoteError):
    """The node refused, or did not answer in time. `reason.code` is one of agents.wire.FAILURE_CODES.

    `retry_after_s` is when a busy node will take the same request.
    """

    def __init__(self, reason: Reason, node: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.node = node
        self.retry_after_s = retry_after_s


class NodeUnreachable(RequestFailed):
    """Whether the node got the request is unknown when the link broke after it was sent."""
