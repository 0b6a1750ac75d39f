"""Whether a new desired document may replace the one there is: decided before anything is written."""

import re
from collections.abc import Callable, Mapping

from agents.errors import Refused
from agents.instances import numbers
from agents.instances.preparation import CannotStart, describe
from agents.wire import MAX_PROFILE_TEXT_BYTES, SetDesired
from engines.control import Act, why_not
from profiles.desired import gateway
from profiles.desired.lease import LEAST_S, begun
from profiles.desired.model import Cordon, Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.desired.resources import BadLimit
from profiles.placing import cordon
from profiles.text.allowed import NotAllowed, check_port, check_value, check_variable

MAX_INSTANCES = 256
MAX_CORDONS = 256
BIND_HINT = "`bind` in its agent.toml names the address"
MAX_REASON_CHARS = 500
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?(?:/[0-9]{1,4})?")
_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.-]{0,95}")


def check(
    request: SetDesired, current: Desired, since: Callable[[int, Desired], str] = lambda *_: "", bind: str = ""
) -> None:
    """Raises Refused: `stale` when the document moved on, `invalid` when it could never run, `cordoned` as it says.

    `since` says what happened after a generation, as agents.past.revisions does.
    `bind` is the address that the admin approved.
    """
    if request.expected_generation != current.generation:
        what = since(request.expected_generation, current)
        raise Refused(
            "stale",
            f"the node is at generation {current.generation}, not {request.expected_generation}:"
            f" {current.author or 'nobody'} edited it ({current.reason or 'no reason given'})"
            f"{f'; since then {what}' if what else ''}",
            "plan again",
        )
    if len(request.instances) > MAX_INSTANCES:
        raise Refused("invalid", f"{len(request.instances)} instances, a node takes {MAX_INSTANCES}")
    if (size := len(request.profile_text.encode())) > MAX_PROFILE_TEXT_BYTES:
        text = f"the profile's text has {size} bytes, a node keeps {MAX_PROFILE_TEXT_BYTES}"
        raise Refused("invalid", text, "split the profile")
    cordons = current.cordons if request.cordons is None else request.cordons
    _check_cordons(cordons)
    directories: dict[str, str] = {}
    for name, owned in request.instances.items():
        _check_name(name, owned)
        clash = directories.setdefault(name.replace("/", "."), name)
        if clash != name:
            raise Refused("invalid", f"{clash} and {name} would share a directory", "rename one")
        before = current.instances.get(name)
        if before is None or before.spec != owned.spec:
            _check_spec(owned.spec)
            _check_bind(owned.spec, bind)
        if refusal := cordon.refusal(cordons, before, owned.spec):
            raise Refused(refusal.code, f"{name}: {refusal.text}", refusal.hint)
    _check_ports(request.instances)


def taken(request: SetDesired, old: Desired, author: str, at_unix_s: float) -> Desired:
    """The document that `request` makes of `old`."""
    wanted = old.cordons if request.cordons is None else request.cordons
    return Desired(
        generation=old.generation + 1,
        instances=begun(request.instances, old.instances, at_unix_s),
        author=author,
        reason=request.reason,
        at_unix_s=at_unix_s,
        key=request.key,
        cordons=cordon.stamped(old.cordons, wanted, author, at_unix_s),
        standing=numbers.stamped(old.standing, request.instances, request.applies, author, at_unix_s),
    )


def _check_name(name: str, owned: DesiredInstance) -> None:
    if not _NAME.fullmatch(name):
        raise Refused("invalid", f"{name!r} is no name for an instance", "use a-z 0-9 . _ - and a number: chat-70b/0")
    if owned.spec.name != name:
        raise Refused("invalid", f"{name} holds the spec of {owned.spec.name}")
    secrets = (value.secret for value in owned.spec.env.values() if not isinstance(value, str))
    for other in (owned.profile, owned.spec.service, *secrets):
        if "/" in other or not _NAME.fullmatch(other):
            raise Refused("invalid", f"{name}: {other!r} cannot name a profile, a service or a secret", "see the docs")
    for part in owned.spec.slices:
        if not _UUID.fullmatch(part.gpu_uuid):
            raise Refused("invalid", f"{name}: {part.gpu_uuid!r} is no UUID of a GPU", "see `gpuyard gpus`")


def _check_spec(spec: InstanceSpec) -> None:
    try:
        if spec.port is not None:
            check_port(spec.port)
        for variable, value in spec.env.items():
            check_variable(variable)
            if isinstance(value, str):
                check_value(variable, value)
        spec.limits.check()
        if spec.lease_s is not None and spec.lease_s < LEAST_S:
            raise Refused("invalid", f"{spec.name}: a lease of {spec.lease_s:g} s", f"at least {LEAST_S:g} s")
        _check_slices(spec)
        _check_gateway(spec)
        describe(spec, spec.port or 0)
        _check_sleep(spec)
    except (NotAllowed, BadLimit, CannotStart) as error:
        raise Refused("invalid", f"{spec.name}: {error.message}", error.hint) from None


def _check_sleep(spec: InstanceSpec) -> None:
    if spec.wanted is Wanted.SLEEPING and (why := why_not(spec.engine, spec.options, Act.SLEEP)):
        hint = "`drain` holds it empty with its model loaded, `stop` gives all of it back"
        raise Refused("invalid", f"{spec.name} cannot sleep: {why}", hint)


def _check_slices(spec: InstanceSpec) -> None:
    if len(set(spec.gpus())) < len(spec.slices):
        raise Refused("invalid", f"{spec.name}: two parts of one GPU", "ask for one larger part")
    for part in spec.slices:
        memory = part.memory_mib
        limit = memory if part.memory_limit_mib is None else part.memory_limit_mib
        if memory is not None and not 0 < memory <= (limit or 0):
            raise Refused("invalid", f"{spec.name}: {memory} MiB up to {limit} MiB is no part of a GPU")
        if part.compute_percent is not None and not 1 <= part.compute_percent <= 100:
            raise Refused("invalid", f"{spec.name}: {part.compute_percent} % is no share of a GPU's SMs")


def _check_gateway(spec: InstanceSpec) -> None:
    if spec.gateway is None:
        return
    if spec.engine != gateway.ENGINE or spec.slices or spec.model:
        raise Refused("invalid", f"{spec.name}: a gateway is {gateway.ENGINE} without a model and without GPUs")
    if not all(0 <= weight <= gateway.MAX_WEIGHT for weight in spec.gateway.serve.values()):
        raise Refused("invalid", f"{spec.name}: a weight is 0 to {gateway.MAX_WEIGHT}")


def _check_bind(spec: InstanceSpec, approved: str) -> None:
    if not spec.bind:
        return
    if spec.gateway is None:
        raise Refused("invalid", f"{spec.name}: only a gateway may listen beside loopback")
    if spec.bind != approved:
        where = f"the admin of this node approved {approved}" if approved else "the admin of this node approved none"
        raise Refused("invalid", f"{spec.name} may not listen at {spec.bind}: {where}", BIND_HINT)


def _check_cordons(cordons: Mapping[str, Cordon]) -> None:
    if len(cordons) > MAX_CORDONS:
        raise Refused("invalid", f"{len(cordons)} cordons, a node keeps {MAX_CORDONS}")
    for key, one in cordons.items():
        if key != cordon.NODE and not _UUID.fullmatch(key):
            raise Refused("invalid", f"{key!r} is no UUID of a GPU", "see `gpuyard gpus`")
        if len(one.reason) > MAX_REASON_CHARS:
            raise Refused("invalid", f"a reason of {len(one.reason)} characters", f"say it in {MAX_REASON_CHARS}")


def _check_ports(instances: Mapping[str, DesiredInstance]) -> None:
    holders: dict[int, str] = {}
    for name, owned in instances.items():
        if owned.spec.port is not None and (other := holders.setdefault(owned.spec.port, name)) != name:
            raise Refused("invalid", f"{other} and {name} both want port {owned.spec.port}", "leave `port` out")
