"""roles.toml: who it gives what, and when it is not believed."""

import os
from pathlib import Path

import pytest

from agents.access.peer import Introduction, introduced, lesser
from agents.access.permits import admin_only
from agents.access.roles import GROUPS_KEPT_S, Account, Roles
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, SecretRef, Wanted
from profiles.observed.status import Role

OTHER = os.geteuid() + 4242
MAP = """
gpuyard = 1
logs = "viewer"
deny = ["mallory"]
label_accounts = ["serve"]
[roles]
look = "viewer"
run = "operator"
own = "admin"
"""


class Accounts:
    """A directory of accounts that a test edits, and a clock."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.name = "ann"
        self.now_s = 0.0
        self.asked = 0

    def look_up(self, uid: int) -> Account | None:
        self.asked += 1
        return Account(self.name, frozenset(self.groups)) if uid == OTHER else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "roles.toml"
    path.write_text(MAP)
    return path


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


def roles(file: Path, accounts: Accounts) -> Roles:
    return Roles(file, look_up=accounts.look_up, clock=lambda: accounts.now_s)


async def test_a_single_user_is_admin_of_his_own_and_nobody_else_is_anything() -> None:
    alone = Roles(look_up=lambda uid: Account("ann", frozenset({"own"})))
    assert await alone.role_of(os.geteuid()) is Role.ADMIN
    assert await alone.role_of(0) is Role.ADMIN
    assert await alone.role_of(OTHER) is None
    assert alone.logs is Role.OPERATOR


@pytest.mark.parametrize(
    ("groups", "role"),
    [(set(), None), ({"x"}, None), ({"look"}, Role.VIEWER), ({"look", "run"}, Role.OPERATOR), ({"own"}, Role.ADMIN)],
)
async def test_the_highest_group_counts(file: Path, accounts: Accounts, groups: set[str], role: Role | None) -> None:
    accounts.groups = groups
    found = roles(file, accounts)
    assert (await found.role_of(OTHER), found.problem) == (role, "")
    assert await found.role_of(OTHER + 1) is None


async def test_who_is_denied_has_nothing_whatever_the_groups_say(file: Path, accounts: Accounts) -> None:
    accounts.groups, accounts.name = {"own"}, "mallory"
    assert await roles(file, accounts).role_of(OTHER) is None


async def test_leaving_a_group_counts_within_a_minute(file: Path, accounts: Accounts) -> None:
    accounts.groups = {"run"}
    found = roles(file, accounts)
    assert await found.role_of(OTHER) is Role.OPERATOR
    accounts.groups = set()
    accounts.now_s = GROUPS_KEPT_S - 1
    assert await found.role_of(OTHER) is Role.OPERATOR
    assert accounts.asked == 1
    accounts.now_s = GROUPS_KEPT_S
    assert await found.role_of(OTHER) is None


async def test_an_edited_file_counts_at_once(file: Path, accounts: Accounts) -> None:
    accounts.groups = {"run"}
    found = roles(file, accounts)
    assert await found.role_of(OTHER) is Role.OPERATOR
    file.write_text(MAP.replace("operator", "viewer"))
    assert await found.role_of(OTHER) is Role.VIEWER


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.chmod(0o666), "others can write"),
        (lambda file: file.parent.chmod(0o777), "others can write"),
        (lambda file: file.write_text("[roles"), "roles.toml"),
        (lambda file: file.write_text('[roles]\nlook = "king"'), "king"),
        (lambda file: file.write_text("rolls = 1"), "rolls"),
        (lambda file: file.write_bytes(b"\xff"), "utf-8"),
        (lambda file: file.write_text("#" * 100_000), "longer"),
        (lambda file: (file.rename(file.with_name("real")), file.symlink_to("real")), "cannot be read"),
        pytest.param(
            lambda file: os.chown(file, OTHER, 0),
            "belongs to uid",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away"),
        ),
    ],
)
async def test_a_file_that_cannot_be_believed_gives_nobody_a_role(
    file: Path, accounts: Accounts, damage: object, said: str
) -> None:
    accounts.groups = {"own"}
    found = roles(file, accounts)
    assert await found.role_of(OTHER) is Role.ADMIN
    assert callable(damage)
    damage(file)
    accounts.now_s += GROUPS_KEPT_S
    assert await found.role_of(OTHER) is None
    assert said in found.problem
    assert found.logs is Role.OPERATOR
    assert await found.role_of(os.geteuid()) is Role.ADMIN
    file.parent.chmod(0o700)


async def test_labels_are_believed_of_named_accounts_alone(file: Path, accounts: Accounts) -> None:
    assert not await roles(file, accounts).believes_label(OTHER)
    accounts.name = "serve"
    assert await roles(file, accounts).believes_label(OTHER)


def test_the_bridge_can_only_lower() -> None:
    assert lesser(Role.ADMIN, Role.VIEWER) is Role.VIEWER
    assert lesser(Role.VIEWER, Role.ADMIN) is Role.VIEWER
    line = b"gpuyard-bridge way=forced role=operator as=ann@corp from=10.0.0.5\n"
    assert introduced(line) == Introduction("forced", Role.OPERATOR, "ann@corp", "10.0.0.5")
    assert introduced(b"gpuyard-bridge \n") == Introduction("bridge")


@pytest.mark.parametrize(
    "words",
    [b"role=king", b"way=socket", b"role=viewer role=admin", b"as=", b"as=a;b", b"as=\xff", b"nonsense", b"uid=0"],
)
def test_a_bridge_that_says_something_else_is_refused(words: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 — the words differ
        introduced(b"gpuyard-bridge " + words + b"\n")


def spec(number: int = 0, **more: object) -> DesiredInstance:
    base: dict[str, object] = {"name": f"a/{number}", "service": "a", "engine": "llama_cpp", "model": "m"}
    return DesiredInstance(profile="p", revision=1, spec=InstanceSpec(**(base | more)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "guarded",
    [
        {"options": {"program": "/tmp/evil"}},
        {"env": {"A": "b"}},
        {"env": {"A": SecretRef("token")}},
        {"engine": "no such engine", "options": {"any": 1}},
    ],
)
def test_guarded_settings_need_an_admin_until_the_service_has_them(guarded: dict[str, object]) -> None:
    plain, edited = spec(), spec(**guarded)  # type: ignore[arg-type]
    assert "a/0" in admin_only({"a/0": edited}, Desired(instances={"a/0": plain}))
    assert "a/0" in admin_only({"a/0": edited}, Desired())
    here = Desired(instances={"a/0": edited})
    assert admin_only({"a/0": edited, "a/1": spec(1, **guarded)}, here) == ""
    assert admin_only({"a/0": spec(restarts_asked=1, **guarded)}, here) == ""  # type: ignore[arg-type]
    assert admin_only({"a/0": plain}, here) == ""
    other = DesiredInstance(profile="q", revision=1, spec=spec(1, **guarded).spec)
    assert "a/1" in admin_only({"a/1": other}, here)


def test_cutting_requests_off_needs_an_admin_for_each_instance() -> None:
    running, cut = spec(), spec(wanted=Wanted.STOPPED, drain_s=0.0)
    assert "cut running requests off for a/0" in admin_only({"a/0": cut}, Desired(instances={"a/0": running}))
    assert admin_only({"a/0": spec(wanted=Wanted.STOPPED)}, Desired(instances={"a/0": running})) == ""
    here = Desired(instances={"a/0": cut, "a/1": spec(1)})
    assert admin_only({"a/0": cut}, here) == ""
    assert "a/1" in admin_only({"a/0": cut, "a/1": spec(1, wanted=Wanted.STOPPED, drain_s=0.0)}, here)


def test_what_runs_a_model_needs_no_admin() -> None:
    assert admin_only({"a/0": spec(options={"ctx_size": 4096}, port=8001)}, Desired()) == ""
