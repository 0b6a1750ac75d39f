"""Reviewed lists of host keys, in the three ways in which people have them."""

import subprocess
from pathlib import Path

import pytest

from console.hosts import vouched
from profiles.text.document import FileError


def keygen(folder: Path, kind: str = "ed25519") -> tuple[str, str]:
    """The public key as known_hosts has it, and its fingerprint as ssh-keygen prints it."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / kind)], check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", str(folder / kind)], check=True, capture_output=True, text=True)
    return " ".join((folder / f"{kind}.pub").read_text().split()[:2]), listed.stdout.split()[1]


def test_the_three_kinds_of_lines_and_hashed_names(tmp_path):
    key, fingerprint = keygen(tmp_path)
    known = tmp_path / "known_hosts"
    known.write_text(f"fra-1,10.0.0.1 {key}\n[10.0.0.2]:2222 {key}\n")
    printed = subprocess.run(["ssh-keygen", "-lf", str(known)], check=True, capture_output=True, text=True).stdout
    listed = tmp_path / "list"
    listed.write_text(
        f"# reviewed\n\nfra-1 {fingerprint}   # by Eve\n{printed}{known.read_text()}"
        f"256 {fingerprint} root@x (ED25519)\n"
    )
    found = vouched.read(str(listed))
    assert {one.fingerprint for one in found} == {fingerprint}
    assert [(one.hosts, one.algorithm, one.line) for one in found] == [
        (("fra-1",), "", 3), (("fra-1", "10.0.0.1"), "", 4), (("[10.0.0.2]:2222",), "", 5),
        (("fra-1", "10.0.0.1"), "ssh-ed25519", 6), (("[10.0.0.2]:2222",), "ssh-ed25519", 7),
        (("x",), "", 8),
    ]  # fmt: skip
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    hashed = vouched.read(str(known))
    assert "fra-1" not in known.read_text()
    assert [one.speaks_of({"fra-1"}) for one in hashed].count(True) == 1
    assert any(one.speaks_of({"[10.0.0.2]:2222"}) for one in hashed)
    assert not any(one.speaks_of({"10.0.0.2"}) for one in hashed)


@pytest.mark.parametrize(
    "line",
    [
        "fra-1",
        "fra-1 MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "fra-1 SHA256:tooshort",
        "@cert-authority *.x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "fra-1 ssh-ed25519 AAAA",
        "fra-1 ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "fra-1 ssh-ed25519 AAA",
    ],
)
def test_a_line_that_vouches_for_nothing_is_told(tmp_path, line):
    listed = tmp_path / "list"
    listed.write_text(f"# one\n{line}\n")
    with pytest.raises(FileError, match=r"list:2:1: this line vouches for no host key"):
        vouched.read(str(listed))


def test_a_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        vouched.read(str(tmp_path / "absent"))
