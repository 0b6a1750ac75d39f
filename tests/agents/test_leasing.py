"""What a node says of leases that end: each thing once, whichever agent says it."""

from pathlib import Path

from msgspec.structs import replace

from agents.events import EventLog
from agents.instances.leasing import Leasing
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.observed.finding import Severity

DAY_S = 86400.0
SPEC = InstanceSpec(name="chat/0", service="chat", engine="vllm", model="m", lease_s=30 * DAY_S)


class Node:
    """One agent after the other on one file of events; `now` is days after the lease began."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_s = path, 0.0
        one = DesiredInstance(profile="p", revision=1, spec=SPEC, lease_ends_at_unix_s=30 * DAY_S)
        self.desired = Desired(instances={"chat/0": one, "b/0": replace(one, spec=replace(SPEC, lease_s=None))})

    def look(self, days: float) -> list[str]:
        """What a new agent says then that was not said before."""
        self.now_s = days * DAY_S
        events = EventLog(self.path, wall=lambda: self.now_s)
        before = events.last_seq
        leasing = Leasing(lambda: self.desired, events, wall=lambda: self.now_s)
        leasing.look()
        leasing.look()
        said = events.after(before, 9)
        assert all((one.instance, one.severity) == ("chat/0", Severity.WARNING) for one in said)
        return [one.text for one in said]


def test_each_thing_is_said_once(tmp_path: Path) -> None:
    node = Node(tmp_path / "events.jsonl")
    assert node.look(10) == []
    assert node.look(28) == ["lease ends in 2 d: apply its profile again to renew it"]
    assert node.look(29) == []
    assert node.look(30) == ["lease over for less than 1 min: nothing is stopped: renew it, or `down --expired`"]
    assert node.look(60) == []


def test_a_renewed_one_is_said_again_when_it_ends(tmp_path: Path) -> None:
    node = Node(tmp_path / "events.jsonl")
    node.look(28)
    renewed = {name: replace(one, lease_ends_at_unix_s=58 * DAY_S) for name, one in node.desired.instances.items()}
    node.desired = replace(node.desired, instances=renewed)
    assert node.look(29) == []
    assert node.look(56) == ["lease ends in 2 d: apply its profile again to renew it"]


def test_an_agent_that_was_away_says_that_it_is_over(tmp_path: Path) -> None:
    assert Node(tmp_path / "events.jsonl").look(33) == [
        "lease over for 3 d: nothing is stopped: renew it, or `down --expired`"
    ]
