"""Ansible's YAML inventories: groups in groups, each with `hosts`, `children` and `vars`.

Every scalar is read as the text that is written, whatever its tag: other people's files say `yes` and `!vault`.
"""

from typing import cast

import yaml

from console.hosts.ansible_groups import HOSTS_AT_MOST, Group, Groups, expanded
from profiles.text.document import FileError

GROUPS_DEEP = 32

Written = str | list["Written"] | dict[str, "Written"]


def groups(text: str, source: str) -> Groups:
    """Raises FileError."""
    try:
        data = cast(Written, yaml.load(text, Loader=yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FileError(source, line, column, f"not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise FileError(source, 0, 0, f"not valid YAML: {str(error).splitlines()[0]}") from None
    found: Groups = {}
    if not isinstance(data, dict):
        raise FileError(source, 1, 1, "expected groups (name: …)", "is it an inventory, and not a playbook?")
    try:
        seen = set[tuple[str, int]]()
        for name, body in data.items():
            _take(found, str(name), body, 0, seen)
    except ValueError as error:
        raise FileError(source, 0, 0, str(error), "see Ansible's page on inventories") from None
    return found


def _take(found: Groups, name: str, body: Written, depth: int, seen: set[tuple[str, int]]) -> None:
    """`seen` has the names and bodies that were taken: one body may stand in many places (`*alias`)."""
    if depth > GROUPS_DEEP or len(found) > HOSTS_AT_MOST:
        raise ValueError("groups are nested too deep, or are too many")
    group = found.setdefault(name, Group())
    if not isinstance(body, dict) or (name, id(body)) in seen:
        return
    seen.add((name, id(body)))
    for pattern, variables in _mapping(body.get("hosts")).items():
        for host in expanded(pattern):
            group.hosts.setdefault(host, {}).update(_texts(variables))
    group.variables |= _texts(body.get("vars", ""))
    for child, inner in _mapping(body.get("children")).items():
        group.children.append(child)
        _take(found, child, inner, depth + 1, seen)


def _mapping(value: Written | None) -> dict[str, Written]:
    return value if isinstance(value, dict) else {}


def _texts(value: Written) -> dict[str, str]:
    return {key: one.strip() for key, one in _mapping(value).items() if isinstance(one, str)}
