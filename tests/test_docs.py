"""The documents against the code: what they name exists, and what exists they name."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import fields

from agents.access.roles import RoleMap
from agents.limits import Limits
from console.inventory import Node
from profiles.desired.model import Profile, Service
from profiles.observed.finding import TOPICS
from profiles.observed.status import Phase

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
INVENTORY = (ROOT / "docs" / "inventory.md").read_text()
PROFILES = (ROOT / "docs" / "profiles.md").read_text()


def help_text(*words: str) -> str:
    command = [sys.executable, "-m", "console", *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


def verbs() -> set[str]:
    found = re.search(r"\{([a-z,-]+)\}", help_text())
    assert found is not None
    return set(found[1].split(","))


def test_every_verb_is_documented() -> None:
    missing = {verb for verb in verbs() if f"gpuyard {verb}" not in COMMANDS}
    assert not missing


def test_every_option_of_every_verb_is_documented() -> None:
    missing = {
        f"{verb} {option}"
        for verb in verbs()
        for option in re.findall(r"--[a-z][a-z-]+", help_text(verb))
        if option not in COMMANDS
    }
    assert not missing


@pytest.mark.parametrize("struct", [Profile, Service])
def test_every_profile_field_is_documented(struct: type) -> None:
    missing = {field.name for field in fields(struct) if f"`{field.name}`" not in PROFILES}
    assert not missing


def test_every_key_of_a_node_is_documented() -> None:
    missing = {field.name for field in fields(Node) if f"`{field.name}`" not in INVENTORY}
    assert not missing


def test_every_phase_is_explained() -> None:
    missing = {phase for phase in Phase if f"`{phase}`" not in COMMANDS}
    assert not missing


def test_every_limit_and_role_setting_is_documented() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    missing = {one.name for one in fields(Limits) if f"`{one.name}`" not in page}
    missing |= {one.name for one in fields(RoleMap) if one.name not in page}
    assert not missing


def test_every_code_of_the_doctor_is_explained() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    for topic, codes in TOPICS.items():
        section = page.partition(f"\n## {topic}\n")[2].partition("\n## ")[0]
        assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == set(codes), topic


def test_links_in_markdown_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
