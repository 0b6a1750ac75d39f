"""The built wheel: exactly the four packages, with their data, and both programs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built)


def test_holds_exactly_the_four_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {"console", "agents", "engines", "profiles"}


def test_carries_data_files(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in ("console", "agents", "engines", "profiles"):
        assert f"{package}/py.typed" in names
    for kind, folder in ((".yaml", "profiles/examples"), (".tcss", "console")):
        kept = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(f"*{kind}")}
        assert kept
        assert kept <= names


def test_names_both_programs(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(path).decode()
    assert "gpuyard = console.__main__:main" in text
    assert "gpuyard-agent = agents.__main__:main" in text
    assert "gpuyard-agent-root = agents.root.program:command" in text
