"""`python -m agents.doctor PART STATE SOCKET ROOT [ROLES]`: one part of a check-up, a finding a line as it is found."""

import sys

import msgspec

from agents.doctor.parts import PARTS
from agents.doctor.subject import subject_of
from profiles.observed.finding import Finding, problem

NOT_READ = "read the line, and see that the agent's user may look there"


def main(words: list[str]) -> int:
    name, subject = words[0], subject_of(words[1:])
    for look in PARTS[name]:
        try:
            for finding in look(subject):
                _say(finding)
        except OSError as error:
            _say(problem("check_failed", f"{name}: {error}", NOT_READ))
    return 0


def _say(finding: Finding) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(finding) + b"\n")
    sys.stdout.buffer.flush()


sys.exit(main(sys.argv[1:]))
