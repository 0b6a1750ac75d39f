"""What runs of a profile, as a file that would start it anywhere: selectors and sizes, no index and no UUID. Pure.

    replicas of a service ──► they must be alike but for where they are and what follows from that ──► Service as data

What a file cannot say is refused with the keys, never left out quietly.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import DesiredInstance, InstanceSpec, SecretRef
from profiles.desired.priority import NORMAL, PRIORITIES
from profiles.desired.resources import Limits
from profiles.desired.restart import Restart
from profiles.observed.status import Reason
from profiles.plans.difference import changes
from profiles.text.document import Plain
from profiles.text.units import duration_text, size_text

GpuType = Callable[[str], str | None]
"""UUID → the type of that GPU, None where it is not known."""


def captured(profile: str, instances: Iterable[DesiredInstance], gpu_type: GpuType) -> dict[str, Plain] | Reason:
    """The document of a profile whose instances are those. A Reason says what no file could say."""
    services: dict[str, list[InstanceSpec]] = {}
    owners = set()
    for owned in instances:
        services.setdefault(owned.spec.service, []).append(owned.spec)
        owners.add(owned.owner)
    found: dict[str, Plain] = {}
    for name, specs in sorted(services.items()):
        service = _service(name, specs, gpu_type)
        if isinstance(service, Reason):
            return service
        found[name] = service
    owner: dict[str, Plain] = {"owner": one} if len(owners) == 1 and (one := next(iter(owners))) else {}
    return {"gpuyard": 1, "profile": profile, **owner, "services": found}


def _service(name: str, specs: Sequence[InstanceSpec], gpu_type: GpuType) -> dict[str, Plain] | Reason:
    ordered = sorted(specs, key=lambda spec: _number(spec.name))
    if [_number(spec.name) for spec in ordered] != list(range(len(ordered))):
        hint = "a file counts them from 0: scale it, or take the others down first"
        return Reason("unwritable", f"{name} has the replicas {', '.join(spec.name for spec in ordered)}", hint)
    if any(spec.gateway is not None for spec in ordered):
        return Reason("unwritable", f"{name} is a gateway, which is written in a file of its own", "apply its file")
    first, ports = ordered[0], [spec.port for spec in ordered]
    for other in ordered[1:]:
        differ = [change.key for change in changes(_alike(first), _alike(other))]
        differ += ["gpus"] if _asked(first.slices, gpu_type) != _asked(other.slices, gpu_type) else []
        if differ:
            text = f"{first.name} and {other.name} differ in {', '.join(differ)}, which one service cannot"
            return Reason("unwritable", text, "make them alike first, or `gpuyard rollback` to what was applied")
    if any(port is not None for port in ports) and ports != [(ports[0] or 0) + at for at in range(len(ports))]:
        return Reason("unwritable", f"the ports of {name} do not follow each other: {ports}", "leave `port` out")
    return _written(first, len(ordered), gpu_type)


def _written(spec: InstanceSpec, replicas: int, gpu_type: GpuType) -> dict[str, Plain]:
    """Only what is otherwise than left out."""
    keys: dict[str, Plain] = {"engine": spec.engine, "model": spec.model}
    found: Mapping[str, Plain] = {
        "runtime": spec.runtime or None,
        "replicas": replicas if replicas > 1 else None,
        "gpus": _asked(spec.slices, gpu_type),
        "port": spec.port,
        "options": dict(spec.options) or None,
        "env": {name: {"secret": one.secret} if isinstance(one, SecretRef) else one for name, one in spec.env.items()},
        "restart": _restart(spec.restart),
        "resources": _resources(spec.limits),
        "priority": _priority(spec.priority),
        "preemptible": spec.preemptible or None,
        "slo": dict(spec.slo.written()),
        "canary": None if spec.canary_every_s is None else {"every": duration_text(spec.canary_every_s)},
        "lease": None if spec.lease_s is None else duration_text(spec.lease_s),
    }
    return keys | {key: value for key, value in found.items() if value not in (None, {})}


def _asked(slices: Sequence[Slice], gpu_type: GpuType) -> dict[str, Plain] | None:
    if not slices:
        return None
    first = slices[0]
    kind = gpu_type(first.gpu_uuid)
    asked: dict[str, Plain] = {"count": len(slices)} if first.whole or len(slices) > 1 else {}
    asked |= {"type": kind} if kind else {}
    if first.mig is not None:
        return asked | {"mig": first.mig.profile}
    if first.memory_mib is None:
        return asked
    asked |= {"memory": size_text(first.memory_mib)} if first.portion is None else {"portion": first.portion}
    asked |= {"limit": size_text(first.memory_limit_mib)} if first.memory_limit_mib is not None else {}
    asked |= {"compute": f"{first.compute_percent}%"} if first.compute_percent is not None else {}
    return asked | {"enforce": str(first.memory_enforcer)}


def _restart(rule: Restart) -> dict[str, Plain] | None:
    return None if rule == Restart() else {"max": rule.max_exits, "window": duration_text(rule.window_s)}


def _resources(limits: Limits) -> dict[str, Plain]:
    memory = None if limits.memory_mib is None else size_text(limits.memory_mib)
    found: dict[str, Plain] = {"memory": memory, "cpu_weight": limits.cpu_weight, "cpus": limits.cpus}
    return {key: value for key, value in found.items() if value is not None}


def _priority(number: int) -> Plain:
    word = next((word for word, value in PRIORITIES.items() if value == number), None)
    return None if word == NORMAL else word or number


def _alike(spec: InstanceSpec) -> InstanceSpec:
    """Without what each replica has of its own."""
    return replace(spec, name="", slices=(), port=None, restarts_asked=0, drain_s=None)


def _number(name: str) -> int:
    tail = name.rpartition("/")[2]
    return int(tail) if tail.isdecimal() else -1
