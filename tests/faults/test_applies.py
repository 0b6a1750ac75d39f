"""F64: at each point of an apply an agent dies or its disk fails: it ends well, or any console brings it there."""

from collections.abc import Iterator

import pytest

from tests.e2e.pair import NODES, QUICK, Pair
from tests.e2e.sshd import Host, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
POINTS = ("before-write", "before-rename", "after-rename", "before-event", "before-intent", "after-intent")
CASES = [
    (point, action) for point in POINTS for action in ("kill", "error") if (point, action) != ("after-intent", "error")
]
"""No disk refuses what it has taken already."""
HEALTHY = {"chat/0": "ready", "chat/1": "ready"}


@pytest.fixture
def pair(host: Host) -> Iterator[Pair]:
    found = Pair(host)
    found.set_up()
    try:
        yield found
    finally:
        found.tear_down()


@pytest.mark.parametrize(("point", "action"), CASES)
def test_f64_an_agent_that_dies_or_a_disk_that_fails_at_any_point_of_an_apply(
    pair: Pair, point: str, action: str
) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    turn = 1 if "intent" in point else 4
    pair.arm("two", f"{point}@{turn}:{action}")
    console = pair.start("apply", "-f", pair.profile({**QUICK, "ready_deadline": "20s"}, seed=1), "--yes")
    _, said = console.communicate(timeout=90)
    assert console.returncode in (0, 1, 5, 6), said
    pair.disarm("two")
    if console.returncode == 6:
        pair.run("apply", "--resume", "--rollback", "--take-over", "--yes", code=5)
    wait_until(lambda: pair.instances() == HEALTHY, 30, f"both are ready: {said}")
    seed = 1 if console.returncode == 0 else None
    assert {one.get("seed") for one in pair.options().values()} == {seed}, said
    assert "apply --resume" not in pair.run("status")
    assert {pair.journal(node)["state"] for node in NODES} <= {"done", "rolled back"}
