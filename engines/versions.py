"""An engine's version, as far as flags and remarks hang on it. "" is unknown: an adapter takes it for the newest."""

import re

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def numbers(version: str) -> tuple[int, ...]:
    """The release in it: (0, 32, 0) of `0.32.0+cpu`, (11434,) of `b11434`, () where there is none."""
    found = _NUMBERS.search(version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def at_least(version: str, *floor: int) -> bool:
    """Whether it is `floor` or newer; an unknown one is."""
    found = numbers(version)
    return not found or found >= floor


def remark(version: str, checked: tuple[str, str]) -> str:
    """What is to be said of a version outside the oldest and newest that flags were checked against; "" of others."""
    oldest, newest = (numbers(one) for one in checked)
    found = numbers(version)
    if found and found < oldest:
        return f"older than {checked[0]}, the oldest that its flags were checked against"
    if found[: len(newest)] > newest:
        return f"newer than {checked[1]}, the newest that its flags were checked against"
    return ""
