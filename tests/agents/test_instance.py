import pytest

from agents.instances.instance import NEXT, Life, WrongTransition, move
from engines.base import LoadProgress
from profiles.observed.status import Phase, Reason

ASKED = Reason("asked", "asked")


def life(phase: Phase) -> Life:
    return Life(phase=phase, since_unix_s=1.0, reason=ASKED, load=LoadProgress(step="weights"))


def test_every_phase_has_a_way_on_and_none_leads_to_itself() -> None:
    assert set(NEXT) == set(Phase)
    assert all(NEXT[phase] and phase not in NEXT[phase] for phase in Phase)


def test_from_every_phase_it_can_be_stopped_for_good() -> None:
    for phase in Phase:
        reached, frontier = {phase}, {phase}
        while frontier:
            frontier = {after for before in frontier for after in NEXT[before]} - reached
            reached |= frontier
        assert Phase.STOPPED in reached


def test_a_move_brings_its_time_and_reason_and_drops_the_progress() -> None:
    moved = move(life(Phase.LOADING), Phase.READY, Reason("ready", "serves"), 9.0)
    assert moved == Life(phase=Phase.READY, since_unix_s=9.0, reason=Reason("ready", "serves"))


def test_staying_keeps_the_beginning() -> None:
    stayed = move(life(Phase.PENDING), Phase.PENDING, Reason("waiting", "waits"), 9.0)
    assert (stayed.since_unix_s, stayed.reason.code) == (1.0, "waiting")


@pytest.mark.parametrize(
    ("before", "after"),
    [(Phase.STOPPED, Phase.READY), (Phase.FAILED, Phase.READY), (Phase.STARTING, Phase.READY),
     (Phase.STOPPING, Phase.READY), (Phase.READY, Phase.STOPPED)],
)  # fmt: skip
def test_no_short_cuts(before: Phase, after: Phase) -> None:
    with pytest.raises(WrongTransition):
        move(life(before), after, ASKED, 2.0)
