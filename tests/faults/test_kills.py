"""Many random kills; how many is KILLS (200) and SHIM_KILLS (20), where they fall is SEED. The figures are printed."""

import os

import pytest

from tests.faults import kills, shims
from tests.faults.node import FaultNode

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("KILLS") or 200)
SHIM_KILLS = int(os.environ.get("SHIM_KILLS") or 20)
SEED = int(os.environ.get("SEED") or 1)


@pytest.mark.timeout(300 + 3 * KILLS)
async def test_random_kills_of_the_agent_lose_nothing(node: FaultNode, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = await kills.campaign(node, KILLS, SEED)
    with capsys.disabled():
        print(f"\n{outcome}")
    assert outcome.wrong == []


@pytest.mark.timeout(120 + 2 * SHIM_KILLS)
async def test_random_kills_of_shims_are_noticed_by_no_engine(
    node: FaultNode, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = await shims.campaign(node, SHIM_KILLS, SEED)
    with capsys.disabled():
        print(f"\n{outcome}")
    assert outcome.wrong == ()
