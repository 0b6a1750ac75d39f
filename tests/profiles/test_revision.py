"""What two documents mean against each other, and how that is said."""

from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import DesiredInstance, InstanceSpec, SecretRef, Wanted
from profiles.revisions.revision import Turn, changed, digest, in_short

SPEC = InstanceSpec(name="chat/0", service="chat", engine="vllm", model="m", options={"a": 1, "b": 2})
OWNED = DesiredInstance(profile="p", revision=1, spec=SPEC)


def document(*specs: InstanceSpec, profile: str = "p", revision: int = 1) -> dict[str, DesiredInstance]:
    return {spec.name: DesiredInstance(profile=profile, revision=revision, spec=spec) for spec in specs}


def named(name: str) -> InstanceSpec:
    return replace(SPEC, name=name)


def test_a_digest_is_of_the_meaning() -> None:
    first = digest(document(SPEC, named("chat/1")))
    assert digest(document(named("chat/1"), replace(SPEC, options={"b": 2, "a": 1}))) == first
    assert digest(document(replace(SPEC, restarts_asked=3), named("chat/1"), revision=9)) == first
    for other in (
        document(SPEC),
        document(SPEC, named("chat/1"), profile="q"),
        document(replace(SPEC, options={"a": "1", "b": 2}), named("chat/1")),
        document(replace(SPEC, wanted=Wanted.STOPPED), named("chat/1")),
    ):
        assert digest(other) != first


def test_each_turn_of_an_instance_has_its_word() -> None:
    old = document(*(named(name) for name in ("gone", "stop", "restart", "edit", "same")))
    new = document(
        named("new"),
        replace(named("stop"), wanted=Wanted.STOPPED),
        replace(named("restart"), restarts_asked=1),
        replace(named("edit"), options={"a": 1, "b": 3}),
        named("same"),
    )
    assert {one.instance: one.turn for one in changed(old, new)} == {
        "gone": Turn.REMOVED, "new": Turn.ADDED, "stop": Turn.STOPPED, "restart": Turn.RESTARTED, "edit": Turn.CHANGED,
    }  # fmt: skip
    assert {one.instance: one.turn for one in changed(new, old)}["stop"] is Turn.STARTED
    assert changed(old, old) == ()


def test_a_sentence_names_what_changed_and_counts_the_rest() -> None:
    edited = replace(SPEC, options={"a": 2}, slices=(Slice(gpu_uuid="u", gpu_index=3),))
    assert in_short(changed(document(SPEC), document(edited))) == ("chat/0 gpus – → 3(u); options.a 1 → 2; 1 more keys")
    assert in_short(changed({}, document(*(named(f"n{at}") for at in range(5))))) == "+ n0, + n1, + n2, 2 more"
    assert in_short(changed(document(SPEC), {})) == "− chat/0"
    assert in_short(changed(document(SPEC), document(replace(SPEC, wanted=Wanted.STOPPED)))) == "chat/0 stopped"
    assert in_short(()) == "nothing"


def test_a_new_owner_is_a_change() -> None:
    assert in_short(changed(document(SPEC), document(SPEC, profile="q"))) == "chat/0 profile p → q"


def test_values_of_an_environment_are_not_repeated() -> None:
    said = in_short(changed(document(SPEC), document(replace(SPEC, env={"TOKEN": "canary", "B": SecretRef("name")}))))
    assert "env.TOKEN" in said
    assert "canary" not in said


def test_long_values_are_cut() -> None:
    said = in_short(changed(document(SPEC), document(replace(SPEC, model="x" * 500))))
    assert len(said) < 100
