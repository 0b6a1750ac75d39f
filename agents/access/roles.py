"""Who may do what on this node: the uid that the kernel names → the groups of its account → a role.

    uid ─► root and the daemon's own user ─────────────► admin
      └──► accounts of `deny` ─────────────────────────► none
      └──► the highest role of its groups in roles.toml ► viewer, operator, admin, or none

    gpuyard = 1
    group = "gpuyard"                # may open the socket; left out, the daemon's own user alone
    logs = "viewer"                  # the least role that reads engines' logs; left out, operator
    deny = ["mallory"]
    label_accounts = ["serve"]       # shared accounts whose `attach --as` is believed
    [roles]
    gpu-viewers = "viewer"
    gpu-admins = "admin"

The file is believed only if nobody but root and the daemon's own user can write it. Where it is not, nobody but
these two has a role. It is looked at again whenever it changes, an account's groups once a minute.
"""

import asyncio
import grp
import os
import pwd
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents.errors import BadRoles
from agents.trusted import Untrusted, file_mark, read_trusted
from profiles.observed.status import Role

GROUPS_KEPT_S = 60.0
MAX_BYTES = 64 * 1024


class RoleMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """roles.toml. The default is that of a node with a single user."""

    gpuyard: int = 1
    roles: dict[str, Role] = {}
    group: str | None = None
    logs: Role = Role.OPERATOR
    deny: tuple[str, ...] = ()
    label_accounts: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True):
    """What the system's databases say of a uid."""

    name: str
    groups: frozenset[str]


class Roles:
    """`path` None is a node with a single user. `problem` says why the file is not believed, "" when it is."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        look_up: "Callable[[int], Account | None] | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self._path = path
        self._look_up = look_up or account
        self._clock = clock
        self._map = RoleMap()
        self._seen: object = None
        self._accounts: dict[int, tuple[float, Account | None]] = {}
        self.refresh()

    @property
    def group(self) -> str | None:
        """The Unix group that may open the socket."""
        return self._map.group

    @property
    def logs(self) -> Role:
        """The least role that may read the logs of engines, which may hold prompts."""
        return self._map.logs

    async def role_of(self, uid: int) -> Role | None:
        """None may do nothing at all. At most GROUPS_KEPT_S behind the account's groups."""
        if uid in (0, os.geteuid()):
            return Role.ADMIN
        self.refresh()
        found = await self._account(uid)
        if found is None or found.name in self._map.deny:
            return None
        held = [role for group, role in self._map.roles.items() if group in found.groups]
        return max(held, key=lambda role: role.rank, default=None)

    async def believes_label(self, uid: int) -> bool:
        """Whether what the account's bridge says of who logged in is more than a claim."""
        found = await self._account(uid)
        return found is not None and found.name in self._map.label_accounts

    def refresh(self) -> None:
        """Read the file again if it is another one than before."""
        if self._path is None:
            return
        mark = file_mark(self._path)
        if mark is not None and mark == self._seen:
            return
        self._seen = mark
        try:
            self._map, self.problem = read(self._path), ""
        except BadRoles as error:
            self._map, self.problem = RoleMap(group=self._map.group), str(error)

    async def _account(self, uid: int) -> Account | None:
        now = self._clock()
        kept = self._accounts.get(uid)
        if kept is None or now >= kept[0]:
            # A directory service may take its time; the loop must not.
            found = await asyncio.to_thread(self._look_up, uid)
            kept = self._accounts[uid] = (now + GROUPS_KEPT_S, found)
        return kept[1]


def read(path: Path) -> RoleMap:
    """Raises BadRoles for a file that is missing, that others could have written, or that says nonsense."""
    try:
        content = read_trusted(path, MAX_BYTES)
    except Untrusted as error:
        raise BadRoles(error.message, error.hint or "nobody but root has a role until it can") from None
    try:
        return msgspec.convert(tomllib.loads(content.decode()), RoleMap, strict=True)
    except (ValueError, msgspec.ValidationError) as error:
        raise BadRoles(f"{path}: {error}", "correct it; nobody but root has a role until then") from None


def account(uid: int) -> Account | None:
    """None for a uid that no database knows. May block on a directory service."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    groups = set()
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        try:
            groups.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    return Account(entry.pw_name, frozenset(groups))
