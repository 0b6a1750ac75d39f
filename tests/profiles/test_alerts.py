"""Rules against signs on a clock that is told to pass; the file of rules, with places and hints."""

import pytest

from profiles.observed.finding import Severity
from profiles.text.document import FileError
from profiles.watching.alertrules import Rule, load_rules, parse_rules
from profiles.watching.alerts import Ack, Alert, AlertKey, Sign, Silence, Stage, calls, evaluate, ordered

RULES = {"burn": Rule(name="burn", severity=Severity.PROBLEM, for_s=30, clear_s=60)}
KEY = AlertKey("burn", "a:chat/0")


def sign(since: float | None = None) -> Sign:
    return Sign(rule="burn", target="a:chat/0", node="a", text="burns", since_unix_s=since)


def played(*looks: tuple[float, bool], unseen: frozenset[str] = frozenset()) -> list[tuple[float, str]]:
    """What turned, and when; a look is a time and whether the sign is there."""
    alerts: dict[AlertKey, Alert] = {}
    told = []
    for now, there in looks:
        alerts, turned = evaluate(RULES, alerts, [sign()] if there else [], now, () if there else unseen)
        told += [(now, str(one.stage)) for one in turned]
    return told


@pytest.mark.parametrize(("looks", "told"), [
    ([(0, True), (29, True)], []),
    ([(0, True), (30, True)], [(30, "firing")]),
    ([(0, True), (20, False), (31, True), (50, True)], []),
    ([(0, True), (30, True), (60, False), (119, False)], [(30, "firing")]),
    ([(0, True), (30, True), (60, False), (120, False)], [(30, "firing"), (120, "resolved")]),
    ([(0, True), (30, True), (60, False), (100, True), (130, False), (189, False)], [(30, "firing")]),
])  # fmt: skip
def test_a_sign_must_hold_and_be_gone_for_long_enough(
    looks: list[tuple[float, bool]], told: list[tuple[float, str]]
) -> None:
    assert played(*looks) == told


def test_a_sign_that_says_since_when_has_waited_already() -> None:
    _, turned = evaluate(RULES, {}, [sign(since=900.0)], 1000.0)
    assert [(one.stage, one.since_unix_s) for one in turned] == [(Stage.FIRING, 900.0)]


def test_silence_of_a_node_resolves_nothing() -> None:
    looks = [(0.0, True), (30.0, True), (60.0, False), (500.0, False)]
    assert played(*looks, unseen=frozenset({"a"})) == [(30.0, "firing")]


def test_who_has_it_in_hand_is_not_called_nor_who_is_silenced() -> None:
    _, (alert,) = evaluate(RULES, {}, [sign(since=0.0)], 100.0)
    ack = Ack(rule="burn", target="a:chat/0", author="ana", at_unix_s=90.0)
    quiet = Silence(rule="*", target="a:*", until_unix_s=200.0, author="ana")
    assert calls(alert, (), (), 100.0)
    assert not calls(alert, (ack,), (), 100.0)
    assert not calls(alert, (), (quiet,), 100.0)
    assert calls(alert, (), (quiet,), 200.0)


def test_the_worst_stands_first_and_what_only_may_come_last() -> None:
    def alert(target: str, stage: Stage, severity: Severity) -> Alert:
        return Alert(rule="r", target=target, text="", severity=severity, stage=stage, since_unix_s=0.0)

    found = [alert("c", Stage.PENDING, Severity.PROBLEM), alert("b", Stage.FIRING, Severity.WARNING),
             alert("a", Stage.FIRING, Severity.PROBLEM)]  # fmt: skip
    assert [one.target for one in ordered(found)] == ["a", "b", "c"]


def test_what_ships_is_whole_and_a_file_changes_single_keys() -> None:
    shipped = load_rules(None)
    found = parse_rules("gpuyard: 1\nrules:\n  burn: {over: 6}\n  drift: {ignore: true}\n")
    assert shipped.rules.keys() - found.rules.keys() == {"drift"}
    assert found.rules["burn"].over == 6.0
    assert found.rules["burn"].for_s == shipped.rules["burn"].for_s > 0
    assert shipped.rules["unattributed"].over == 2048.0


@pytest.mark.parametrize(("text", "place", "hint"), [
    ("rules: {brun: {}}", "2:9: no rule is called `brun`", "did you mean `burn`?"),
    ("rules:\n  burn: {fro: 3s}", "3:10", "for"),
    ("rules:\n  burn: {for: soon}", "3:15: `soon` is no duration", "30s"),
    ("rules:\n  burn: {over: -1}", "3:16", "above 0"),
    ("rules:\n  unattributed: {over: 2}", "3:24", "2GiB"),
    ("rules:\n  drift: {over: 2}", "3:11: `drift` has no `over`", "leave it out"),
    ("rules:\n  burn: {severity: ok}", "3:20: `ok` calls nobody", "problem"),
    ("notify: {webhook: {url: ftp://x}}", "2:25", "https"),
    ("notify: {webhook: {url: 'https://u:p@x/'}}", "2:25", "secret: NAME"),
    ("notify: {webhook: {url: https://x/, secret: ../x}}", "2:45", ""),
])  # fmt: skip
def test_a_wrong_file_is_refused_with_its_place(text: str, place: str, hint: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_rules(f"gpuyard: 1\n{text}\n")
    assert place in str(caught.value)
    assert hint in caught.value.hint
