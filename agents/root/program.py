"""The program: words in, one line of JSON out. Started by an agent that is root, or through sudo by one that is not.

    gpuyard-agent-root mig-mode GPU-… on       {"type":"switched","held_up":0}
    gpuyard-agent-root sudoers USER            the line of sudoers that lets this user's agent call it

Nothing is read but the words: no file, no environment, no standard input. sudo notes each call in the system's log,
the agent in its audit.
"""

import os
import sys

import msgspec

from agents.privilege.answers import Failed
from agents.privilege.calls import VERBS, call_of
from agents.root.carrying import carry_out
from agents.root.sudoers import NotOurs, sudoers

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 64
USAGE = f"gpuyard-agent-root: one of {', '.join(VERBS)} with its words; or: sudoers USER"


def command() -> int:
    return main(sys.argv[1:])


def main(words: list[str]) -> int:
    os.umask(0o077)
    if words[:1] == ["sudoers"] and len(words) == 2:
        return _print_sudoers(words[1])
    try:
        call = call_of(words)
    except ValueError as error:
        print(f"{USAGE}\n{error}", file=sys.stderr)
        return EXIT_USAGE
    outcome = carry_out(call)
    print(msgspec.json.encode(outcome).decode(), flush=True)
    return EXIT_FAILED if isinstance(outcome, Failed) else EXIT_DONE


def _print_sudoers(user: str) -> int:
    try:
        print(sudoers(user))
    except NotOurs as error:
        print(f"gpuyard-agent-root: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE
