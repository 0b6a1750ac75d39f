"""What a subprocess really imports: a static graph cannot see a deferred import."""

import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    """The top-level modules that are loaded once `statement` has run in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import agents.daemon", {"textual", "asyncssh", "yaml", "rich", "console"}),
        ("import agents.attach", {"msgspec", "h11", "pynvml", "asyncio", "console"}),
        ("import agents.processes.shim", {"msgspec", "h11", "pynvml", "asyncio", "console"}),
        ("import console.__main__", {"textual", "asyncssh", "rich", "cryptography"}),
        ("import console.app", {"asyncssh", "cryptography"}),
        ("import profiles, profiles.desired.model, profiles.plans.plan, profiles.placing.place", {"yaml", "asyncio"}),
        ("import engines.registry; engines.registry.names()", {"asyncio", "h11"}),
    ],
)
def test_imports_stay_light(statement: str, unwanted: set[str]) -> None:
    assert not modules_after(statement) & unwanted
