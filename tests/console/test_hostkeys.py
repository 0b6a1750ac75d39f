"""Host keys that are known, stored, changed: files as OpenSSH has them, fingerprints as it prints them."""

import subprocess
from pathlib import Path

import asyncssh
import pytest

from console.remote import hostkeys
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost
from console.remote.knownhosts import known_in
from console.remote.sshtrust import Guard, explain


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519").convert_to_public()


def line(name: str, public: asyncssh.SSHKey) -> str:
    return f"{name} {public.export_public_key('openssh').decode().strip()}\n"


def guarded(shown: asyncssh.SSHKey, port: int = 22) -> LinkRefused:
    guard = Guard("yard")
    guard.read([])
    guard.validate_host_public_key("yard", "10.0.0.1", port, shown)
    error = explain(asyncssh.HostKeyNotVerifiable("Host key is not trusted"), guard)
    assert isinstance(error, LinkRefused)
    return error


def test_a_fingerprint_is_as_ssh_keygen_prints_it(tmp_path):
    public = key()
    public.write_public_key(str(tmp_path / "k.pub"))
    listed = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "k.pub")], capture_output=True, text=True, check=True)
    assert hostkeys.fingerprint(public.public_data) == listed.stdout.split()[1]


@pytest.mark.parametrize("port", [22, 2222])
def test_a_stored_key_is_known_to_ssh_keygen_too(port):
    shown = key()
    error = guarded(shown, port)
    assert isinstance(error, HostKeyUnknown)
    assert "`t` among the nodes" in error.reason.hint
    hostkeys.store(error.key)
    name = "yard" if port == 22 else f"[yard]:{port}"
    own = str(hostkeys.own_file())
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", own], capture_output=True, text=True, check=True)
    assert error.key.key in found.stdout
    assert known_in([hostkeys.own_file()]).match("yard", "", None if port == 22 else port)[0] == [shown]


def test_storing_appends_whole_lines_and_keeps_the_file_to_its_owner():
    hostkeys.own_file().parent.mkdir(parents=True)
    hostkeys.own_file().write_text("# mine, without a line end")
    for _ in range(2):
        error = guarded(key())
        assert isinstance(error, HostKeyUnknown)
        hostkeys.store(error.key)
        hostkeys.own_file().write_text(hostkeys.own_file().read_text().replace("yard", "elsewhere"))
    lines = hostkeys.own_file().read_text().splitlines()
    assert lines[0] == "# mine, without a line end"
    assert [one.split()[0] for one in lines[1:]] == ["elsewhere", "elsewhere"]


def test_a_host_that_could_write_more_than_its_line_is_refused():
    public = key()
    odd = hostkeys.unknown_key("a\nb", 22, "ssh-ed25519", public.public_data)
    with pytest.raises(OSError, match="cannot stand"):
        hostkeys.store(odd)
    assert not hostkeys.own_file().exists()


def test_a_changed_key_names_both_and_the_file_to_mend(home):
    old, new = key(), key()
    (home / ".ssh" / "known_hosts").write_text(line("yard", old))
    error = guarded(new)
    assert not isinstance(error, HostKeyUnknown)
    assert error.reason.code == "host_key_changed"
    assert hostkeys.fingerprint(old.public_data) in error.reason.text
    assert hostkeys.fingerprint(new.public_data) in error.reason.text
    assert error.reason.hint.endswith(f"ssh-keygen -R yard -f {home / '.ssh' / 'known_hosts'}")


def test_a_key_known_by_address_counts(home):
    (home / ".ssh" / "known_hosts").write_text(line("10.0.0.1", key()))
    assert guarded(key()).reason.code == "host_key_changed"


def test_hashed_names_and_broken_lines_are_read(home):
    known = key()
    file = home / ".ssh" / "known_hosts"
    file.write_text(line("yard", known))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    file.write_text("nonsense\n@odd marker x\n" + file.read_text())
    assert "yard" not in file.read_text()
    assert known_in([file]).match("yard", "", None)[0] == [known]


def test_a_revoked_key_is_never_offered(home):
    guard = Guard("yard")
    guard.read([])
    error = explain(asyncssh.HostKeyNotVerifiable("Host key is revoked for host yard"), guard)
    assert (type(error), error.reason.code) == (LinkRefused, "host_key_changed")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (asyncssh.PermissionDenied("no"), LinkRefused, "auth_failed"),
        (asyncssh.KeyExchangeFailed("none"), LinkRefused, "key_exchange"),
        (asyncssh.KeyImportError("passphrase"), LinkRefused, "auth_failed"),
        (asyncssh.ConfigParseError("line 3"), LinkRefused, "ssh_config"),
        (ConnectionRefusedError(111, "refused"), Lost, "refused"),
        (TimeoutError(), Lost, "timeout"),
        (OSError(113, "No route to host"), Lost, "unreachable"),
        (asyncssh.ConnectionLost("gone"), Lost, "lost"),
        (asyncssh.ChannelOpenError(2, "no"), Lost, "refused"),
    ],
)
def test_what_a_failure_means(error, kind, code):
    found = explain(error, Guard("yard"))
    assert (type(found), found.reason.code) == (kind, code)
    assert found.reason.text


def test_a_fault_of_our_own_is_not_explained_away():
    with pytest.raises(KeyError, match="ours"):
        explain(KeyError("ours"), Guard("yard"))


def test_what_asyncssh_cannot_set_up_refuses_one_node_and_ends_no_other() -> None:
    explained = explain(ValueError("Unknown local username"), Guard("fra-1"))
    assert isinstance(explained, LinkRefused)
    assert explained.reason.code == "ssh_config"
    assert "Unknown local username" in explained.reason.text
