"""Copies of this source tree under another version, as a second build of the agent."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("console", "agents", "engines", "profiles")


def build(folder: Path, version: str) -> Path:
    """A directory for PYTHONPATH in which gpuyard has this version."""
    tree = folder / version
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    facts = tree / f"gpuyard-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gpuyard\nVersion: {version}\n")
    return tree
