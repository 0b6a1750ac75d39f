"""Many random kills; how many is KILLS (200), where they fall is SEED. The figures are printed."""

import os

import pytest

from tests.faults.kills import campaign
from tests.faults.node import FaultNode

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("KILLS") or 200)
SEED = int(os.environ.get("SEED") or 1)


@pytest.mark.timeout(300 + 3 * KILLS)
async def test_random_kills_of_the_agent_lose_nothing(node: FaultNode, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = await campaign(node, KILLS, SEED)
    with capsys.disabled():
        print(f"\n{outcome}")
    assert outcome.wrong == []
