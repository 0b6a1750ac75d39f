"""Which changes a scope holds, how events become them, and where traffic steps."""

import pytest

from profiles.explain.evidence import Axis
from profiles.explain.timeline import Change, ChangeKind, Scope, merged, of_event, step_of
from profiles.observed.finding import Severity
from profiles.observed.status import Event, EventKind


def change(node: str, kind: ChangeKind = ChangeKind.GPU, at: float = 1.0, **more: object) -> Change:
    return Change(at_unix_s=at, kind=kind, node=node, text="", **more)  # type: ignore[arg-type]


CHAT = Scope(instances=frozenset({("a", "chat/0")}), gpus=frozenset({("a", "g0")}))


@pytest.mark.parametrize(("scope", "one", "held"), [
    (Scope(), change("a"), True),
    (Scope(node="a"), change("a", instance="x/0"), True),
    (Scope(node="a"), change("b"), False),
    (CHAT, change("a", instance="chat/0"), True),
    (CHAT, change("b", instance="chat/0"), False),
    (CHAT, change("a", gpu="g0"), True),
    (CHAT, change("a", gpu="g1"), False),
    (CHAT, change("a", gpu="g0", instance="other/0"), False),
    (CHAT, change("a", ChangeKind.EDIT, touches=("x/0", "chat/0")), True),
    (CHAT, change("a", ChangeKind.EDIT, touches=("x/0",)), False),
    (CHAT, change("a", ChangeKind.EDIT), False),
    (CHAT, change("a", ChangeKind.LINK), True),
    (CHAT, change("b", ChangeKind.LINK), False),
])  # fmt: skip
def test_a_scope_holds_what_befalls_it_and_what_it_stands_on(scope: Scope, one: Change, held: bool) -> None:
    assert scope.holds(one) is held


@pytest.mark.parametrize(("event", "kind", "severity"), [
    (Event(seq=1, at_unix_s=5, kind=EventKind.DESIRED, text="", code="applied"), ChangeKind.APPLY, Severity.INFO),
    (Event(seq=1, at_unix_s=5, kind=EventKind.DESIRED, text="", code="edited"), ChangeKind.EDIT, Severity.INFO),
    (Event(seq=1, at_unix_s=5, kind=EventKind.GPU, text="", code="xid", severity=Severity.PROBLEM),
     ChangeKind.XID, Severity.PROBLEM),
    (Event(seq=1, at_unix_s=5, kind=EventKind.GPU, text="", code="foreign_began"), ChangeKind.PROCESS, Severity.INFO),
    (Event(seq=1, at_unix_s=5, kind=EventKind.PHASE, text="ready → stalled: no progress"),
     ChangeKind.PHASE, Severity.PROBLEM),
    (Event(seq=1, at_unix_s=5, kind=EventKind.PHASE, text="loading → ready: stalled no more"),
     ChangeKind.PHASE, Severity.INFO),
])  # fmt: skip
def test_an_event_is_a_change_of_its_kind_by_our_clock(event: Event, kind: ChangeKind, severity: Severity) -> None:
    found = of_event("a", event, clock_skew_s=2.0)
    assert (found.kind, found.severity, found.at_unix_s) == (kind, severity, 3.0)


def test_it_is_merged_by_time_and_each_is_told_once() -> None:
    late, early = change("a", at=9.0), change("b", at=2.0)
    assert merged([late, early, late], Scope()) == [early, late]
    assert merged([late, early], Scope(), since_unix_s=5.0) == [late]


def test_traffic_that_doubles_is_a_step_at_its_second_and_noise_is_none() -> None:
    axis = Axis(100.0, 10.0, 40)
    noise = tuple(12.0 + (at % 3) * 0.2 for at in range(40))
    stepped = tuple(value * (2 if at >= 25 else 1) for at, value in enumerate(noise))
    assert step_of("a", "chat/0", noise, axis) is None
    found = step_of("a", "chat/0", stepped, axis)
    assert found is not None
    assert (found.kind, found.at_unix_s, found.text) == (
        ChangeKind.TRAFFIC, 350.0, "traffic 12.2 → 24.4 requests/s")  # fmt: skip
