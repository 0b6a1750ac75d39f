"""Every reason that the code can give is in the one list, and every one of the list is given and documented."""

import re
from pathlib import Path

import pytest

from agents.instances.instance import NEXT
from agents.instances.reasons import CODES
from engines.failures import FAILURES
from profiles.observed.status import Phase

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "phases.md").read_text()
MAKERS = (
    "admission",
    "attempts",
    "draining",
    "ending",
    "keeper",
    "liveness",
    "preparation",
    "reasons",
    "secrets",
    "standing",
    "steering",
)
MECHANISMS = ("changes", "fractions", "mig", "mps", "mpsdaemon", "repartition")
GIVEN = re.compile(
    r"(?:Reason|Refusal|CannotStart|CannotGrant|SecretUnusable|code =)"
    r'\(?\s*"([a-z_]+)"(?: if [^\n]*? else "([a-z_]+)")?'
)


def given() -> set[str]:
    files = [ROOT / "agents" / "instances" / f"{name}.py" for name in MAKERS]
    files += [ROOT / "agents" / "fractions" / f"{name}.py" for name in MECHANISMS]
    files.append(ROOT / "profiles" / "gpu" / "ledger.py")
    text = "\n".join(file.read_text() for file in files)
    used = re.findall(r'CannotUse\("([a-z_]+)"', (ROOT / "agents" / "runtimes" / "runtimes.py").read_text())
    return {code for pair in GIVEN.findall(text) for code in pair if code} | {one.code for one in FAILURES} | {*used}


def test_every_code_that_the_code_gives_is_listed() -> None:
    listed = {code for codes in CODES.values() for code in codes}
    assert given() - listed == set()


def test_every_listed_code_is_given() -> None:
    listed = {code for codes in CODES.values() for code in codes}
    assert listed - given() == set()


def test_every_phase_that_can_be_entered_has_its_reasons() -> None:
    entered = {after for afters in NEXT.values() for after in afters} | {Phase.PENDING}
    assert entered == CODES.keys()


@pytest.mark.parametrize(("phase", "code"), [(phase, code) for phase, codes in CODES.items() for code in codes])
def test_every_code_is_documented(phase: Phase, code: str) -> None:
    assert f"| `{phase}` | `{code}` | {CODES[phase][code]} |" in PAGE
