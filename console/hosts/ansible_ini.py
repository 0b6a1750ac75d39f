"""Ansible's INI inventories: `[group]`, `[group:children]`, `[group:vars]`; hosts before any section are ungrouped."""

import re
import shlex

from console.hosts.ansible_groups import Group, Groups, expanded
from profiles.text.document import FileError

_SECTION = re.compile(r"\[([^:\]]+)(?::(children|vars|hosts))?\]\s*(?:[#;].*)?")


def groups(text: str, source: str) -> Groups:
    """Raises FileError."""
    found: Groups = {}
    name, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = _SECTION.fullmatch(line)
            if section is None:
                raise FileError(source, number, 1, f"`{line}` is no section", "`[group]`, `[group:vars]`")
            name, kind = section[1], section[2] or "hosts"
            found.setdefault(name, Group())
            continue
        try:
            _take(found.setdefault(name, Group()), kind, line)
        except ValueError as error:
            raise FileError(source, number, 1, str(error), "see Ansible's page on inventories") from None
    return found


def _take(group: Group, kind: str, line: str) -> None:
    if kind == "vars":
        key, _, value = line.partition("=")
        group.variables[key.strip()] = _unquoted(value.strip())
        return
    words = shlex.split(line, comments=True)
    if kind == "children":
        group.children.append(words[0])
        return
    variables = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    pattern, port = words[0], ""
    if matched := re.fullmatch(r"([^\[\]:]*(?:\[[^\]]*\][^\[\]:]*)*):([0-9]+)", pattern):
        pattern, port = matched[1], matched[2]
    for host in expanded(pattern):
        group.hosts.setdefault(host, {}).update({"ansible_port": port} | variables if port else variables)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
