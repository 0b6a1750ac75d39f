"""The hosts of an Ansible inventory (INI or YAML, ansible-core 2.19). Groups become labels.

    a host in group `gpu`, a child of group `fra`  ──►  labels: {gpu: member, fra: member}

Of the variables only those are read that say how to log in, nearest first: the host's own, its groups', `all`'s.
Variables in `host_vars` and `group_vars`, in vaults and in templates are not.
"""

from pathlib import Path

from console.hosts import ansible_ini, ansible_yaml
from console.hosts.ansible_groups import HOSTS_AT_MOST, Groups
from console.hosts.imported import Imported, LeftOut
from console.inventory import Node
from profiles.text.document import FileError

MEMBER = "member"
BYTES_AT_MOST = 1024 * 1024
EVERYBODY = ("all", "ungrouped")

_FIELDS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_ssh_private_key_file": "identity_file",
    "ansible_private_key_file": "identity_file",
    "ansible_connection": "connection",
}


def imported(file: Path) -> Imported:
    """Raises FileError."""
    text = _text(file)
    is_yaml = file.suffix in (".yaml", ".yml", ".json") or text.lstrip().startswith(("---", "all:", "{"))
    groups = (ansible_yaml if is_yaml else ansible_ini).groups(text, str(file))
    return _nodes(groups, str(file))


def _nodes(groups: Groups, source: str) -> Imported:
    found, left_out = dict[str, Node](), dict[LeftOut, None]()
    parents = _parents(groups)
    for group in groups.values():
        for name in group.hosts:
            if name in found:
                continue
            if len(found) >= HOSTS_AT_MOST:
                raise FileError(source, 0, 0, f"more than {HOSTS_AT_MOST} hosts", "import a part of it")
            member_of = _ancestry(name, groups, parents)
            values, skipped = _variables(name, member_of, groups)
            found[name] = _node(name, values, [one for one in member_of if one not in EVERYBODY])
            left_out |= {LeftOut(name, f"{key} is a template or a vault: write it into the inventory"): None
                         for key in skipped}  # fmt: skip
    return Imported(found, list(left_out))


def _parents(groups: Groups) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, group in groups.items():
        for child in group.children:
            found.setdefault(child, []).append(name)
    return found


def _ancestry(host: str, groups: Groups, parents: dict[str, list[str]]) -> list[str]:
    """All groups of a host, the nearest first; `all` last."""
    found = dict.fromkeys(name for name, group in groups.items() if host in group.hosts)
    waiting = list(found)
    while waiting:
        for parent in parents.get(waiting.pop(0), []):
            if parent not in found:
                found[parent] = None
                waiting.append(parent)
    return [*(name for name in found if name != "all"), "all"]


def _variables(host: str, member_of: list[str], groups: Groups) -> tuple[dict[str, str], list[str]]:
    """Field → value, and the variables that cannot be read."""
    scopes = [group.hosts[host] for name in member_of if (group := groups.get(name)) and host in group.hosts]
    scopes += [group.variables for name in member_of if (group := groups.get(name))]
    values: dict[str, str] = {}
    skipped = []
    for scope in scopes:
        for key, value in scope.items():
            wanted = _FIELDS.get(key)
            if wanted is None or wanted in values:
                continue
            if "{{" in value or value.startswith("$ANSIBLE_VAULT"):
                skipped.append(key)
            else:
                values[wanted] = value
    return values, skipped


def _node(name: str, values: dict[str, str], member_of: list[str]) -> Node:
    port = values.get("port", "")
    return Node(
        address=values.get("address", name),
        port=int(port) if port.isdecimal() else None,
        user=values.get("user"),
        identity_file=values.get("identity_file"),
        labels=dict.fromkeys(member_of, MEMBER),
        local=values.get("connection") == "local",
    )


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(BYTES_AT_MOST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(str(file), 0, 0, "not UTF-8 text", "is it an inventory, and not a script?") from None
    except OSError as error:
        raise FileError(str(file), 0, 0, f"cannot be read: {error.strerror}", "check the path and its rights") from None
