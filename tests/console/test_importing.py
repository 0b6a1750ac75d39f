"""Lists of hosts as OpenSSH and Ansible have them, against what OpenSSH itself makes of them."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.hosts import ansible, openssh
from console.hosts.adding import Choice, candidates, host
from console.hosts.ansible_groups import expanded
from console.hosts.edit import Draft
from console.inventory import Node
from profiles.text.document import FileError

CONFIG = """\
# mine
Host fra-1 fra-2 # both
    HostName %h.example.org
    User ops
Include more
host = ams-1
  Port=2222
  IdentityFile "~/.ssh/ams key"
  ProxyJump bastion
Host !fra-2 fra-*
  Port 22022
Match host ams-1 exec "true"
  User nobody
Host bastion *.wild
  HostName 10.0.0.1
  IdentityFile none
Host *
  User everybody
  IdentityFile ~/.ssh/yard
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    (ssh / "more").write_text("Port 23\nHost ny-1\n  HostName 10.9.9.9\n  Port 24\n")
    (ssh / "config").write_text(CONFIG)
    other = tmp_path / "other"
    other.write_text(CONFIG)
    return other


def test_names_become_nodes_and_patterns_do_not(config):
    found = openssh.imported(config, own=False)
    assert list(found.nodes) == ["fra-1", "fra-2", "ams-1", "bastion"]
    assert {one.what for one in found.left_out} == {
        "!fra-2", "fra-*", "*.wild", "*", 'Match host ams-1 exec "true"', "ams-1",
    }  # fmt: skip
    (jump,) = [one for one in found.left_out if one.what == "ams-1"]
    assert "ProxyJump bastion" in jump.why


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's ssh is not installed")
@pytest.mark.parametrize("name", ["fra-1", "fra-2", "bastion"])
def test_values_are_those_that_ssh_takes(config, name):
    said = subprocess.run(["ssh", "-G", "-F", str(config), name], capture_output=True, text=True, check=True)
    theirs = dict(reversed([line.split(" ", 1) for line in said.stdout.splitlines() if " " in line]))
    node = openssh.imported(config, own=False).nodes[name]
    assert node.address == theirs["hostname"]
    assert (node.user, node.port or 22) == (theirs["user"], int(theirs["port"]))
    assert (node.identity_file or "none") == theirs["identityfile"]


def test_an_include_below_a_host_holds_for_that_host_alone(config):
    (config.parent / ".ssh" / "more").write_text("Port 23\n")
    nodes = openssh.imported(config, own=False).nodes
    assert [nodes[name].port for name in ("fra-1", "fra-2", "ams-1")] == [23, 23, 2222]
    assert nodes["ams-1"].identity_file == "~/.ssh/ams key"


def test_of_the_own_configuration_only_names_are_taken(config):
    nodes = openssh.imported(Path("~/.ssh/config"), own=True).nodes
    assert nodes["ams-1"] == Node(address="ams-1")


def test_an_include_that_leads_back_and_a_missing_file_are_told(config):
    (config.parent / ".ssh" / "more").write_text("Include more\n")
    with pytest.raises(FileError, match="deeper than"):
        openssh.imported(config, own=False)
    with pytest.raises(FileError, match="cannot be read"):
        openssh.imported(config.parent / "absent", own=False)


INI = """\
lonely ansible_connection=local
[gpu]  ; the machines
fra[01:03].x  ansible_user=ops ansible_port=2222   # three
ams-[a:b] ansible_host='10.0.0.7' ansible_ssh_private_key_file="~/.ssh/a key"
odd:2022
secret ansible_user="{{ vault_user }}"
[gpu:vars]
ansible_user = deploy
[europe:children]
gpu
[europe:vars]
ansible_port=99
ansible_user=nobody
[all:vars]
ansible_ssh_private_key_file=~/.ssh/all
"""
YAML = """\
all:
  vars: {ansible_ssh_private_key_file: ~/.ssh/all}
  hosts:
    lonely: {ansible_connection: local}
  children:
    europe:
      vars: {ansible_port: 99, ansible_user: nobody}
      children:
        gpu:
          vars: {ansible_user: deploy}
          hosts:
            fra[01:03].x: {ansible_user: ops, ansible_port: 2222, other: yes}
            ams-[a:b]: {ansible_host: 10.0.0.7, ansible_ssh_private_key_file: ~/.ssh/a key}
            odd: {ansible_port: 2022}
            secret:
              ansible_user: !vault |
                $ANSIBLE_VAULT;1.1;AES256
                6132
"""


@pytest.mark.parametrize(("text", "file"), [(INI, "hosts"), (YAML, "hosts.yml"), (YAML, "hosts")])
def test_both_formats_of_ansible_mean_the_same(tmp_path, text, file):
    (tmp_path / file).write_text(text)
    found = ansible.imported(tmp_path / file)
    both = {"gpu": "member", "europe": "member"}
    fra = Node(address="", user="ops", port=2222, identity_file="~/.ssh/all", labels=both)
    assert set(found.nodes) == {"lonely", "fra01.x", "fra02.x", "fra03.x", "ams-a", "ams-b", "odd", "secret"}
    assert found.nodes["lonely"] == Node(address="lonely", local=True, identity_file="~/.ssh/all")
    for name in ("fra01.x", "fra02.x", "fra03.x"):
        assert found.nodes[name] == Node(
            address=name, user=fra.user, port=fra.port, identity_file=fra.identity_file, labels=both
        )
    assert found.nodes["ams-b"] == Node(
        address="10.0.0.7", user="deploy", port=99, identity_file="~/.ssh/a key", labels=both
    )
    assert (found.nodes["odd"].port, found.nodes["odd"].user) == (2022, "deploy")
    assert found.nodes["secret"].user == "deploy"
    assert [(one.what, one.why.split()[0]) for one in found.left_out] == [("secret", "ansible_user")]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a", ["a"]),
        ("a[1:3]", ["a1", "a2", "a3"]),
        ("a[08:10]b", ["a08b", "a09b", "a10b"]),
        ("a[0:4:2]", ["a0", "a2", "a4"]),
        ("r[1:2]n[x:y]", ["r1nx", "r1ny", "r2nx", "r2ny"]),
    ],
)
def test_ranges(pattern, names):
    assert expanded(pattern) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gpu\n", ":1:1: `[gpu` is no section"),
        ("\na[1:b]\n", ":2:1: [1:b] is no range"),
        ("a[1:99999999]\n", ":1:1: `a[1:99999999]` is more than"),
        ('a b="\n', ":1:1: No closing quotation"),
        ("---\n- hosts: x\n", ":1:1: expected groups"),
        ("---\nall: [\n", ":3:1: not valid YAML"),
        ("all:\n  hosts:\n    a[1:b]:\n", ": [1:b] is no range"),
    ],
)
def test_what_is_no_inventory_of_ansible_is_told_with_its_place(tmp_path, text, message):
    (tmp_path / "hosts").write_text(text)
    with pytest.raises(FileError) as refused:
        ansible.imported(tmp_path / "hosts")
    assert message in str(refused.value)


def test_groups_that_hold_each_other_end(tmp_path):
    (tmp_path / "hosts").write_text("[a]\nx\n[a:children]\nb\n[b:children]\na\n")
    assert ansible.imported(tmp_path / "hosts").nodes["x"].labels == {"a": "member", "b": "member"}
    bomb = "\n".join(["---", "g0: &g0 {hosts: {x: {}}}"] + [
        f"g{at}: &g{at} {{children: {{l{at}: *g{at - 1}, r{at}: *g{at - 1}}}}}" for at in range(1, 30)
    ])  # fmt: skip
    (tmp_path / "bomb.yml").write_text(bomb)
    assert list(ansible.imported(tmp_path / "bomb.yml").nodes) == ["x"]


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_is_refused(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_text(text, "utf-8", "replace")
    for read in (lambda: openssh.imported(file, own=False), lambda: ansible.imported(file)):
        with suppress(FileError):
            read()


@pytest.mark.parametrize(
    ("text", "address", "node"),
    [
        ("fra-1", "fra-1", Node(address="fra-1")),
        ("ops@fra-1:2222", "fra-1", Node(address="fra-1", user="ops", port=2222)),
        ("10.0.0.1:22", "10.0.0.1", Node(address="10.0.0.1", port=22)),
        ("[2001:db8::1]:22", "2001:db8::1", Node(address="2001:db8::1", port=22)),
        ("2001:db8::1", "2001:db8::1", Node(address="2001:db8::1")),
    ],
)
def test_a_host_is_written_as_for_ssh(text, address, node):
    assert host(text) == (address, node)


@pytest.mark.parametrize("text", ["", "@", "a@", "a:b", "a@b@c"])
def test_what_is_no_host_is_refused(text):
    with pytest.raises(ValueError, match="is no host"):
        host(text)


def test_what_is_here_stays_and_what_cannot_be_a_node_is_left_out(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text("gpuyard: 1\nnodes:\n  a: {}\n  b: {site: fra}\n")
    nodes = {name: Node(address="x" if name == "a b" else name) for name in ("a", "b", "c", "a b")}
    found = {one.name: one for one in candidates(Draft.open(path), nodes)}
    choices = {name: one.choice for name, one in found.items()}
    assert choices == {"a": Choice.HERE, "b": Choice.LEFT_OUT, "c": Choice.ADD, "a b": Choice.LEFT_OUT}
    assert "stays as it is" in found["b"].why
    assert "cannot name a node" in found["a b"].why
