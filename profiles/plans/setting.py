"""Single keys of an instance, in the words of a profile, on what runs already. Pure.

max_num_seqs=96       an option of its engine, also options.max_num_seqs=96
env.NAME=value        slo.ttft_p95=800ms     resources.memory=64GiB     restart.max=3
model=… runtime=… priority=high

What a profile refuses is refused here, in the same words.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from engines import registry
from engines.base import BadOptions
from engines.fitting import fitted
from profiles.desired.model import InstanceSpec, Service
from profiles.desired.priority import priority
from profiles.files.load import parse_profile
from profiles.latency.objectives import Slo
from profiles.text.document import Document, FileError, Mark, Plain

GROUPS = "options", "env", "slo", "resources", "restart"
KEYS = "model", "runtime", "priority"
_ELSEWHERE = {
    "replicas": "`gpuyard scale SERVICE N`",
    "gpus": "change the profile and apply it, or `gpuyard move`",
    "place": "change the profile and apply it, or `gpuyard move`",
    "engine": "change the profile and apply it",
    "port": "change the profile and apply it",
    "canary": "change the profile and apply it",
}
_LIMITS = {"memory": "memory_mib", "cpu_weight": "cpu_weight", "cpus": "cpus"}
_RESTARTS = {"max": "max_exits", "window": "window_s"}

Settings = Mapping[str, Plain]
"""Key, dotted where it is of a group, → value."""


def edited(spec: InstanceSpec, given: Settings, off: Collection[str], replicas: int = 1) -> InstanceSpec:
    """`spec` with what is `given`, and without the keys that are taken `off`. Raises FileError."""
    groups = _grouped(spec, given, off)
    service = _checked(spec, groups, replicas)
    new = replace(
        spec,
        model=service.model,
        runtime=service.runtime or "",
        options=service.options,
        env=service.env,
        priority=priority(service.priority) if "priority" in groups else spec.priority,
        slo=_merged_slo(spec.slo, service.slo.slo(replicas), groups["slo"], off),
        limits=replace(spec.limits, **_fields(service.resources.limits(), _LIMITS, groups["resources"])),
        restart=replace(
            spec.restart, **_fields(service.restart and service.restart.rule(), _RESTARTS, groups["restart"])
        ),
    )
    try:
        fitted(registry.get(new.engine), new.options, new.slices)
    except BadOptions as error:
        raise FileError("set", 0, 0, error.message, error.hint) from None
    return new


def _grouped(spec: InstanceSpec, given: Settings, off: Collection[str]) -> dict[str, Any]:
    """The service that a profile would have, as far as it is said; options and environment are whole."""
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    found: dict[str, Any] = {"model": spec.model, "runtime": spec.runtime or None}
    found |= {group: dict(plain[group]) if group in ("options", "env") else {} for group in GROUPS}
    for key, value in given.items():
        group, name = _place(key)
        if group:
            found[group][name] = value
        else:
            found[name] = value
    for key in off:
        group, name = _place(key)
        if name == "runtime" and not group:
            found["runtime"] = None
        elif group in ("options", "env"):
            if found[group].pop(name, None) is None:
                raise FileError("set", 0, 0, f"{spec.name} has no {key}", "see `gpuyard describe instance`")
        elif group != "slo":
            raise FileError("set", 0, 0, f"`{key}` cannot be taken off", "give it another value")
    return found


def _place(key: str) -> tuple[str, str]:
    """The group of a key, "" for one of the service's own, and its name there."""
    first, dot, rest = key.partition(".")
    if dot and first in GROUPS:
        return first, rest
    if key in KEYS:
        return "", key
    if hint := _ELSEWHERE.get(first):
        raise FileError("set", 0, 0, f"`{first}` is not set one by one", hint)
    return "options", key


def _checked(spec: InstanceSpec, groups: Mapping[str, Any], replicas: int) -> Service:
    said = {name: value for name, value in groups.items() if value not in (None, {})}
    service: Plain = {"engine": spec.engine, "replicas": max(1, replicas), **said}
    data: Plain = {"gpuyard": 1, "profile": "set", "services": {spec.service: service}}
    return parse_profile(Document("set", data, {(): Mark(0, 0)}, {})).services[spec.service]


def _merged_slo(old: Slo, new: Slo, said: Collection[str], off: Collection[str]) -> Slo:
    names = {one.name for one in new.latency} | {key.removeprefix("slo.") for key in off}
    latency = (*(one for one in old.latency if one.name not in names), *new.latency)
    errors = new.errors_ratio if "errors" in said else None if "slo.errors" in off else old.errors_ratio
    ready = new.min_ready if "min_ready" in said else None if "slo.min_ready" in off else old.min_ready
    return Slo(latency=tuple(sorted(latency, key=lambda one: one.name)), errors_ratio=errors, min_ready=ready)


def _fields(found: msgspec.Struct | None, names: Mapping[str, str], said: Collection[str]) -> dict[str, Any]:
    """Of what was said alone: the rest stays as it is."""
    return {names[name]: getattr(found, names[name]) for name in said}
