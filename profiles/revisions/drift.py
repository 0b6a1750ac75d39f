"""What differs, key by key: what a profile wants, what nodes are asked for, what runs. Pure.

    wanted    by the revision that stands, or a file     ─┐ edited: by hand, since then
    desired   the node's document of now                 ─┤
    running   what the node says of the instance          ┘ lagging: the node has not come there, or cannot

Values of the environment are never shown: they may be what people should not have put there.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from profiles.desired.model import DesiredInstance, Wanted
from profiles.observed.status import InstanceStatus, Phase
from profiles.plans.difference import changes
from profiles.plans.plan import Action, Plan
from profiles.revisions.revision import Document, Turn, changed

HIDDEN = "(not shown)"
ABSENT = "absent"
THERE = "there"

_GOES_ON = frozenset({Phase.STARTING, Phase.LOADING, Phase.STOPPING, Phase.DRAINING})
"""On the way to what is desired: no drift yet."""
_UP = frozenset({Phase.READY, Phase.DEGRADED, Phase.STALLED, Phase.SLEEPING})


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `running` None is as desired, or not told; `author` and the node's time are of the edit by hand."""

    node: str
    profile: str
    instance: str = ""
    key: str = ""
    wanted: str = ""
    desired: str = ""
    running: str | None = None
    author: str = ""
    reason: str = ""
    at_unix_s: float | None = None


def edited(node: str, profile: str, wanted: Document, desired: Document) -> list[Drift]:
    """How what a node is asked for of `profile` is otherwise than the revision wants it."""
    found = []
    for one in changed(_of(wanted, profile), _of(desired, profile)):
        about = Drift(node=node, profile=profile, instance=one.instance)
        if one.turn in (Turn.ADDED, Turn.REMOVED):
            gone = one.turn is Turn.REMOVED
            found.append(replace(about, key="instance", wanted=THERE if gone else ABSENT,
                               desired=ABSENT if gone else THERE))  # fmt: skip
            continue
        before, after = wanted[one.instance].spec, desired[one.instance].spec
        differ = [change for change in changes(before, after) if change.key != "drain_s"]
        found += [_key(node, profile, one.instance, each.key, each.old, each.new) for each in differ]
    return found


def against(profile: str, plan: Plan) -> list[Drift]:
    """The same of a file, by the plan that would apply it."""
    found = []
    for step in plan.steps:
        about = Drift(node=step.node, profile=profile, instance=step.instance)
        if step.action is Action.PRUNE:
            found.append(replace(about, key="instance", wanted=ABSENT, desired=THERE))
        elif step.action is not Action.KEEP and not any(change.old for change in step.changes):
            found.append(replace(about, key="instance", wanted=THERE, desired=ABSENT))
        else:
            found += [_key(step.node, profile, step.instance, each.key, each.new, each.old) for each in step.changes]
    return found


def lagging(
    node: str, profile: str, desired: Mapping[str, DesiredInstance], running: Iterable[InstanceStatus]
) -> list[Drift]:
    """How what runs of `profile` is otherwise than the node is asked for. What is under way is none."""
    told = {status.name: status for status in running}
    found = []
    for name, owned in sorted(_of(desired, profile).items()):
        spec, status = owned.spec, told.get(name)
        about = Drift(node=node, profile=profile, instance=name)
        if status is None:
            found.append(replace(about, key="instance", desired=THERE, running=ABSENT))
            continue
        is_up = status.phase in _UP
        if status.phase not in _GOES_ON and is_up is not (spec.wanted is not Wanted.STOPPED):
            found.append(replace(about, key="phase", desired=str(spec.wanted), running=str(status.phase)))
        elif is_up:
            for key, want, have in (("engine", spec.engine, status.engine), ("model", spec.model, status.model)):
                if want != have:
                    found.append(replace(about, key=key, desired=want, running=have))
    for one in told.values():
        if one.profile == profile and one.name not in desired and one.phase not in _GOES_ON:
            about = Drift(node=node, profile=profile, instance=one.name)
            found.append(replace(about, key="instance", desired=ABSENT, running=str(one.phase)))
    return found


def _key(node: str, profile: str, instance: str, key: str, wanted: str, desired: str) -> Drift:
    shown = (HIDDEN if key.startswith("env.") and value else value for value in (wanted, desired))
    return Drift(node=node, profile=profile, instance=instance, key=key, wanted=next(shown), desired=next(shown))


def _of(document: Document, profile: str) -> dict[str, DesiredInstance]:
    return {name: owned for name, owned in document.items() if owned.profile == profile}
