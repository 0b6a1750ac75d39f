"""Values that profiles only name. A secret is a file of the state directory, readable by its owner alone."""

from agents.errors import AgentError
from agents.layout import Layout


class SecretUnusable(AgentError):
    """`code` says how: secret_missing or secret_open."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.code = code


def read_secret(layout: Layout, name: str) -> str:
    """The value of `name` without its last line end. Raises SecretUnusable; the value is in no message."""
    try:
        path = layout.secret(name)
        mode = path.stat().st_mode
        if mode & 0o077:
            raise SecretUnusable("secret_open", f"others can read the secret `{name}`", f"chmod 600 {path}")
        return path.read_text().removesuffix("\n")
    except (OSError, ValueError):
        hint = f"write its value to {layout.secrets}/{name} on the node, mode 600"
        raise SecretUnusable("secret_missing", f"the node has no secret `{name}`", hint) from None
