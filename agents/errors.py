"""What can go wrong on a node.

Errors:
    AgentError                 base: `message` says what happened, `hint` what to do next
    ├── Refused                a request that the node does not carry out; crosses the wire as a Failure
    ├── AlreadyRunning         another daemon holds this state directory
    ├── CannotListen           the socket cannot be made where it should be
    ├── CannotAttach           no daemon answers, and none could be started
    ├── BadState               a file of the state directory cannot be used
    ├── BadRoles               roles.toml cannot be believed
    └── AuditBroken            the audit is not what was written
"""


class AgentError(Exception):
    """`str()` of it is one line: what happened — what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.message} — {self.hint}" if self.hint else self.message
        # Names, paths and the tail of a log are in here; profiles.text.clean is not for the bridge, which imports us.
        return "".join(char if char.isprintable() else " " for char in text)


class Refused(AgentError):
    """`code` is one of agents.wire.FAILURE_CODES; `retry_after_s` comes with `busy`."""

    def __init__(self, code: str, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.retry_after_s = retry_after_s


class AlreadyRunning(AgentError):
    """Another daemon holds the lock of the state directory."""


class CannotListen(AgentError):
    """The Unix socket cannot be created."""


class CannotAttach(AgentError):
    """The bridge reached no daemon."""


class BadRoles(AgentError):
    """The file that says who may do what is missing, open to others, or wrong."""


class AuditBroken(AgentError):
    """A record is missing, changed or another than the one that is known."""


class BadState(AgentError):
    """A state file is from a newer version, or cannot be read or written."""
