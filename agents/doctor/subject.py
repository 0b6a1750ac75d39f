"""What is examined: one agent on one machine."""

from dataclasses import dataclass
from pathlib import Path

from agents.layout import SYSTEM_ROLES, SYSTEM_STATE, Layout


@dataclass(frozen=True, slots=True)
class Subject:
    """`roles` is the file that the agent was given. Everything of the kernel is looked up below `root`."""

    layout: Layout
    roles: Path | None = None
    root: Path = Path("/")

    @property
    def roles_file(self) -> Path | None:
        """The file that decides; None where a single user may do everything."""
        return self.roles or (SYSTEM_ROLES if self.layout.state == SYSTEM_STATE and SYSTEM_ROLES.exists() else None)

    def words(self) -> list[str]:
        """For a child process that examines the same; `subject_of` reads them."""
        words = [str(self.layout.state), str(self.layout.socket), str(self.root)]
        return [*words, str(self.roles)] if self.roles else words


def subject_of(words: list[str]) -> Subject:
    state, socket, root, *roles = map(Path, words)
    return Subject(Layout(state, socket), roles[0] if roles else None, root)
