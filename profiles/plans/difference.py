"""The keys in which two specs of an instance differ, and what it takes to come from one to the other. Pure.

What an engine has to start anew for is InstanceSpec.launch_key's to say: a key restarts where, changed alone, it makes
another launch key. So a plan and the node that carries it out cannot disagree.
"""

import msgspec
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.gateway import Relay
from profiles.desired.model import InstanceSpec, Wanted
from profiles.plans.plan import Action, Change, Step


def changes(old: InstanceSpec | None, new: InstanceSpec) -> tuple[Change, ...]:
    """The keys in which two specs differ; options, env and slo key by key, under their own names."""
    before = _flat(old) if old else {}
    after = _flat(new)
    keys = sorted(before.keys() | after.keys())
    return tuple(
        Change(key, _text(key, before.get(key)), _text(key, after.get(key)), restarts=_restarts(key, old, new))
        for key in keys
        if before.get(key) != after.get(key)
    )


def _restarts(key: str, old: InstanceSpec | None, new: InstanceSpec) -> bool:
    """Whether `old` with this one key of `new` has another launch key."""
    if old is None:
        return False
    field, _, inner = key.partition(".")
    field = "slices" if field == "gpus" else field
    value = getattr(new, field)
    if inner and isinstance(value, dict):
        others = {name: held for name, held in getattr(old, field).items() if name != inner}
        value = others | {inner: value[inner]} if inner in value else others
    return replace(old, **{field: value}).launch_key() != old.launch_key()


def step_between(node: str, before: InstanceSpec | None, spec: InstanceSpec) -> Step:
    """What it takes to come from one spec of an instance to another; restarts that were asked for do not count."""
    if before is None:
        idle = spec.wanted is Wanted.STOPPED
        return Step(action=Action.LIVE if idle else Action.START, node=node, instance=spec.name)
    kept = replace(spec, restarts_asked=before.restarts_asked)
    action = Action.KEEP if before == kept else _difference(before, kept)
    return Step(action=action, node=node, instance=spec.name, changes=changes(before, kept))


def _difference(before: InstanceSpec, after: InstanceSpec) -> Action:
    if before.wanted is not after.wanted and after.wanted is not Wanted.RUNNING:
        return _TO[after.wanted]
    if before.wanted is not Wanted.STOPPED and before.launch_key() != after.launch_key():
        return Action.REPLACE if set(before.gpus()) == set(after.gpus()) else Action.MOVE
    if before.wanted is after.wanted:
        return Action.LIVE
    return Action.WAKE if before.wanted is Wanted.SLEEPING else Action.START


_TO = {Wanted.STOPPED: Action.STOP, Wanted.DRAINED: Action.DRAIN, Wanted.SLEEPING: Action.SLEEP}


def _flat(spec: InstanceSpec) -> dict[str, object]:
    """Key → value. A value is only made into text to be shown: `1` and "1" differ."""
    plain: dict[str, object] = msgspec.to_builtins(spec)
    flat: dict[str, object] = {}
    for key, value in plain.items():
        if key in ("options", "env", "restart", "limits") and isinstance(value, dict):
            flat.update({f"{key}.{inner}": item for inner, item in value.items()})
        elif key == "slo":
            flat.update({f"slo.{name}": target for name, target in spec.slo.written().items()})
        elif key == "slices":
            flat["gpus"] = spec.slices
        elif key == "gateway":
            serve = spec.gateway.serve if spec.gateway else {}
            flat.update({f"gateway.{service}": weight for service, weight in serve.items()})
            relays = spec.gateway.relays if spec.gateway else ()
            flat.update({f"gateway.{one.instance}": _relay(one) for one in relays})
        elif key != "restarts_asked":
            flat[key] = value
    return flat


def _relay(one: Relay) -> str:
    return " ".join([f"{one.host}:{one.port}", *(f"{service}×{number}" for service, number in one.replicas.items())])


def _text(key: str, value: object) -> str:
    if key == "gpus" and isinstance(value, tuple):
        return " ".join(_slice(held) for held in value)
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _slice(held: Slice) -> str:
    return f"{held.gpu_index}({held.gpu_uuid}){f' {held.text()}' if held.text() else ''}"
