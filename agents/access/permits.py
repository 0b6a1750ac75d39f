"""Which edits only an admin may make: one table of what is guarded in a spec.

A guarded value may stand where the node has it already, in the instance itself or in another of its service: an
admin put it there, so an operator may stop, start, scale and roll out what is approved.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from engines import registry
from engines.base import EngineError, guarded_options
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec


class Guard(NamedTuple):
    """`what` continues "an operator may not …"; `value` is the guarded part of a spec, falsy when it has none."""

    what: str
    value: Callable[[InstanceSpec], object]


def _options(spec: InstanceSpec) -> dict[str, object]:
    try:
        guarded = guarded_options(registry.get(spec.engine))
    except EngineError:
        guarded = frozenset(spec.options)
    return {name: value for name, value in sorted(spec.options.items()) if name in guarded}


GUARDS = (
    Guard("choose what is executed (option `program` and its like)", _options),
    Guard("set environment variables", lambda spec: msgspec.to_builtins(spec.env)),
    # With the name, so that one stopped at once is no leave to stop its replicas so.
    Guard("cut running requests off", lambda spec: spec.drain_s is not None and (spec.name, spec.drain_s)),
)


def admin_only(wanted: dict[str, DesiredInstance], current: Desired) -> str:
    """What in `wanted` needs an admin, as "a role may not …"; "" when nothing does."""
    for name, owned in wanted.items():
        before = current.instances.get(name)
        if before is not None and before.spec == owned.spec:
            continue
        approved = [other.spec for other in current.instances.values() if _same_service(other, owned)]
        for guard in GUARDS:
            value = guard.value(owned.spec)
            if value and value not in [guard.value(spec) for spec in approved]:
                return f"{guard.what} for {name}"
    return ""


def _same_service(one: DesiredInstance, other: DesiredInstance) -> bool:
    key = (one.profile, one.spec.service, one.spec.engine)
    return key == (other.profile, other.spec.service, other.spec.engine)
