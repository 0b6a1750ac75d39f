"""Known hosts by name, hashed or by pattern; what is read once; keys that a host rotates."""

import base64
import hmac

import asyncssh
import pytest

from console.remote import hostkeys
from console.remote.certificates import not_valid
from console.remote.hostkeys import Rotation, renew, store, unknown_key
from console.remote.knownhosts import KnownHosts, known_in
from console.remote.sshtrust import rotation


def key(algorithm: str = "ssh-ed25519") -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(algorithm).convert_to_public()


def text(public: asyncssh.SSHKey) -> str:
    return public.export_public_key("openssh").decode().strip()


def hashed(name: str, salt: bytes) -> str:
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize("names", ["yard", "other,yard", "y*", "[yard]:2222", hashed("yard", b"s" * 20), "10.0.0.1"])
def test_a_line_is_found_however_it_names_the_host(names):
    public = key()
    known = KnownHosts(f"# a note\nnonsense\n{names} {text(public)}\nelse {text(key())}\n")
    assert known.match("yard", "10.0.0.1", 2222)[0] == [public]
    assert known.match("nobody", "10.0.0.2", None)[0] == []


def test_marked_lines_keep_their_marks():
    authority, bad = key(), key()
    known = KnownHosts(f"@cert-authority *.yard {text(authority)}\n@revoked {hashed('a.yard', b'x' * 20)} {text(bad)}")
    assert known.match("a.yard", "", None)[:3] == ([], [authority], [bad])
    assert known.match("b.yard", "", None)[:3] == ([], [authority], [])


def test_of_five_thousand_hashed_lines_only_the_hosts_own_is_parsed(monkeypatch):
    public = key()
    lines = [f"{hashed(f'h{at}', at.to_bytes(20))} {text(public)}" for at in range(5000)]
    known = KnownHosts("\n".join(lines))
    parsed = []
    load = asyncssh.SSHKnownHosts.load

    def watched(one: asyncssh.SSHKnownHosts, line: str) -> None:
        parsed.append(line)
        load(one, line)

    monkeypatch.setattr(asyncssh.SSHKnownHosts, "load", watched)
    for _ in range(3):
        assert known.match("h4321", "", None)[0] == [public]
    assert parsed == [lines[4321]]


def test_files_are_read_once_until_they_change(tmp_path):
    file, first, second = tmp_path / "known", key(), key()
    file.write_text(f"yard {text(first)}\n")
    assert known_in([file]) is known_in([file])
    file.write_text(f"yard {text(first)}\nyard {text(second)}\n")
    assert known_in([file]).match("yard", "", None)[0] == [first, second]


@pytest.mark.parametrize(
    ("after_s", "before_s", "says"),
    [(0, 1000, "expired 3 h ago"), (20000, 30000, "is not valid before 2 h from now"), (0, 12000, None)],
)
def test_a_certificate_that_is_not_valid_now_is_said(after_s, before_s, says):
    authority, own = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    certificate = authority.generate_user_certificate(own, "ann", valid_after=after_s, valid_before=before_s)
    pairs = asyncssh.load_keypairs([(own, certificate)])
    why = not_valid(pairs, 1000 + 3 * 3600 + 5)
    assert (why is None) if says is None else (why is not None and says in why.text)


def test_new_keys_of_a_known_kind_are_a_rotation_and_others_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    old, new, other = key(), key(), key("ecdsa-sha2-nistp256")
    assert rotation("yard", 22, [other], [], [old]) is None
    found = rotation("yard", 22, [new], [], [old])
    assert found is not None
    assert [one.fingerprint for one in found.added] == [hostkeys.fingerprint(new.public_data)]


def test_a_rotation_is_recorded_and_the_old_key_goes_from_the_own_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    old, new = (unknown_key("yard", 2222, "ssh-ed25519", key().public_data) for _ in range(2))
    store(old)
    renew(Rotation(host="yard", port=2222, added=(new,), removed=(old,)))
    assert hostkeys.own_file().read_text() == f"{new.line}\n"
    assert hostkeys.own_file().stat().st_mode & 0o777 == 0o600
