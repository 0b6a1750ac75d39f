"""Where each replica runs: services as people wrote them → one InstanceSpec per replica and node. Pure.

    kept     what runs stays where it is, as long as it may be there and fits
    given    what names its devices gets them (profiles.placing.listed)
    chosen   the rest, by priority, then the larger first (profiles.placing.choice)

How much of each GPU a replica gets is worked out in profiles.gpu.share, and whether there is room for it in
profiles.gpu.ledger. The order of nodes and of services does not matter.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from engines import registry
from engines.base import BadOptions, Engine
from engines.devices import ShareMode, Slice
from engines.fitting import fitted
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.lease import lease_s
from profiles.desired.model import Desired, InstanceSpec, Profile, Service
from profiles.desired.priority import priority
from profiles.gpu.gputypes import type_of
from profiles.gpu.ledger import refused_by_book
from profiles.gpu.share import NoPart, part_of
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import GpuReading, GpuState, NodeStatus
from profiles.placing.choice import Chooser, Place
from profiles.placing.cluster import Cluster, Labels
from profiles.placing.cordon import refusal
from profiles.placing.gateway_place import NoFront, fronts
from profiles.placing.listed import spots
from profiles.placing.offers import Kind, Offers
from profiles.placing.refused import Refused

_NOTHING_DESIRED: Mapping[str, Desired] = {}
_NO_LABELS: Labels = {}


class Unplaceable(msgspec.Struct, frozen=True):
    """A service that cannot run as it is written: why, and what to do about it."""

    service: str
    reason: str
    hint: str = ""


class Placement(msgspec.Struct, frozen=True):
    """Instances per node, sorted by name. A service in `unplaceable` has none of its replicas in `specs`."""

    specs: dict[str, tuple[InstanceSpec, ...]]
    unplaceable: tuple[Unplaceable, ...] = ()


def place(
    profile: Profile,
    nodes: Mapping[str, NodeStatus],
    desired: Mapping[str, Desired] = _NOTHING_DESIRED,
    labels: Labels = _NO_LABELS,
    *,
    prunes: bool = True,
) -> Placement:
    """Put every replica of `profile` on one of `nodes`. Never raises; what does not fit is in `unplaceable`.

    `desired` says what is there already, and what is cordoned: nothing new is placed there. With `prunes`, instances
    that the profile no longer has are on their way out.
    """
    placing = _Placing(profile, Cluster(profile, nodes, desired, labels, prunes=prunes))
    for step in (placing.keep, placing.give, placing.choose):
        for name in sorted(profile.services, key=placing.order):
            placing.attempt(step, name)
    specs: dict[str, list[InstanceSpec]] = {}
    for name in profile.services.keys() - placing.refused.keys():
        for number, one in placing.places[name].items():
            specs.setdefault(one.node, []).append(_spec(profile, name, number, one.slices))
    for front in fronts(profile, placing.homes(), placing.cluster):
        if isinstance(front, NoFront):
            placing.refused[front.name] = Refused(front.reason, front.hint)
        else:
            specs.setdefault(front.node, []).append(front.spec)
    ordered = {node: tuple(sorted(found, key=lambda spec: spec.name)) for node, found in sorted(specs.items())}
    refused = sorted(placing.refused.items())
    return Placement(ordered, tuple(Unplaceable(name, one.reason, one.hint) for name, one in refused))


class _Placing:
    """What has been found so far. Each step raises Refused for a service that cannot be placed."""

    def __init__(self, profile: Profile, cluster: Cluster) -> None:
        self.profile, self.cluster = profile, cluster
        self.places: dict[str, dict[int, Place]] = {name: {} for name in profile.services}
        self.refused: dict[str, Refused] = {}
        self.offers: dict[Kind, Offers] = {}

    def order(self, name: str) -> tuple[float | str, ...]:
        """By priority, then the larger first: more GPUs, all of one before a part, the greater part."""
        service = self.profile.services[name]
        request = service.gpus
        if request is None:
            return -priority(service.priority), 0, 0, 0, 0, name
        share = request.share()
        of_one = not share.whole, -(share.memory_mib or 0), -(share.portion or 0)
        return -priority(service.priority), -request.each, *of_one, name

    def attempt(self, step: Callable[[str, Service, Engine], None], name: str) -> None:
        service = self.profile.services[name]
        if name not in self.refused:
            try:
                step(name, service, registry.get(service.engine or self.profile.defaults.engine or ""))
            except Refused as refused:
                self.refused[name] = refused

    def keep(self, name: str, service: Service, engine: Engine) -> None:
        """Replicas that may choose, where they are; those that cannot stay let go of what they have."""
        if service.gpus and service.gpus.devices is not None:
            return
        allowed = self.cluster.chosen(service.place.selector(), service.place.nodes)
        for number in range(service.replicas):
            instance = f"{name}/{number}"
            stays = (
                Place(node, slices)
                for node, owned in self.cluster.before(instance)
                if node in allowed
                and (slices := _kept(self.cluster, node, instance, owned.spec.slices, service, engine)) is not None
            )
            found = next(stays, None)
            self.cluster.release(instance)
            if found is not None:
                self._take(name, number, found, service, engine)

    def give(self, name: str, service: Service, engine: Engine) -> None:
        """Replicas whose devices are named."""
        if service.gpus is None or service.gpus.devices is None:
            return
        allowed = self.cluster.chosen(service.place.selector(), service.place.nodes)
        for number, (node, gpus) in enumerate(spots(service, service.gpus.devices, self.cluster.nodes)):
            if node not in allowed:
                text = f"its GPUs are on {node}, which `{service.place.nodes}` does not choose"
                raise Refused(text, "leave `place` out")
            instance = f"{name}/{number}"
            before = self.cluster.owned(node, instance)
            others = self.cluster.held(node, beside=instance)
            parts = _parts(service, engine, gpus, before.spec.slices if before else (), others)
            if isinstance(parts, NoPart):
                raise Refused(f"{node}: {parts.reason}", parts.hint)
            cordons = self.cluster.document(node).cordons
            if why := refusal(cordons, before, _spec(self.profile, name, number, parts)):
                raise Refused(f"{node}: {why.text}", why.hint)
            self._take(name, number, Place(node, parts), service, engine)

    def choose(self, name: str, service: Service, engine: Engine) -> None:
        """Replicas that have no place yet."""
        missing = [number for number in range(service.replicas) if number not in self.places[name]]
        if not missing:
            return
        chooser = Chooser(self.cluster, name, service, engine, self.offers)
        for number in missing:
            try:
                found = chooser.choose()
            except Refused as refused:
                have = len(self.places[name])
                beside = f"; {have} of {service.replicas} replicas fit" if have else ""
                raise Refused(refused.reason + beside, refused.hint) from None
            self._take(name, number, found, service, engine)

    def homes(self) -> dict[str, Counter[str]]:
        """Service → node → how many of its replicas are there."""
        return {name: Counter(one.node for one in places.values()) for name, places in self.places.items()}

    def _take(self, name: str, number: int, found: Place, service: Service, engine: Engine) -> None:
        if len(found.slices) > 1 and found.slices[0].share_mode is ShareMode.MPS:
            hint = "leave `count` out" if service.gpus and service.gpus.count else "list one device for each replica"
            raise Refused("by MPS an engine has a part of one GPU, not of several", hint)
        try:
            fitted(engine, service.options, found.slices)
        except BadOptions as error:
            raise Refused(error.message, error.hint) from None
        self.cluster.book(found.node, f"{name}/{number}", found.slices)
        self.places[name][number] = found


def _kept(
    cluster: Cluster, node: str, instance: str, had: tuple[Slice, ...], service: Service, engine: Engine
) -> tuple[Slice, ...] | None:
    """What an instance has where it is; None where it has to go. Strangers and ill health make it wait, not move."""
    request = service.gpus
    if request is None or not had:
        return () if request is None and not had else None
    readings = cluster.nodes[node].gpus
    here = {gpu.uuid: gpu for gpu in readings if gpu.state is not GpuState.LOST and gpu.health is not GpuHealth.LOST}
    gpus = [here[part.gpu_uuid] for part in had if part.gpu_uuid in here]
    fits_type = request.type is None or all(type_of(gpu.name) == request.type for gpu in gpus)
    if len(had) != request.each or len(gpus) != len(had) or not fits_type:
        return None
    others = cluster.held(node, beside=instance)
    parts = _parts(service, engine, gpus, had, others)
    if isinstance(parts, NoPart) or refused_by_book(parts, readings, others):
        return None
    return parts


def _parts(
    service: Service, engine: Engine, gpus: Iterable[GpuReading], had: Iterable[Slice],
    others: Mapping[str, tuple[Slice, ...]],
) -> tuple[Slice, ...] | NoPart:  # fmt: skip
    """The parts of `gpus` that one replica has; `had` are those that it had."""
    before = {part.gpu_uuid: part for part in had}
    share = (service.gpus or GpuRequest()).share()
    found = []
    for gpu in gpus:
        part = part_of(share, gpu, engine, before.get(gpu.uuid), others)
        if isinstance(part, NoPart):
            return part
        found.append(part)
    return tuple(found)


def _spec(profile: Profile, name: str, number: int, slices: tuple[Slice, ...]) -> InstanceSpec:
    service = profile.services[name]
    return InstanceSpec(
        name=f"{name}/{number}",
        service=name,
        engine=service.engine or profile.defaults.engine or "",
        model=service.model,
        served_as=service.served_as or "",
        slices=slices,
        port=None if service.port is None else service.port + number,
        runtime=service.runtime or "",
        options=service.options,
        env=service.env,
        limits=service.resources.limits(),
        restart=(service.restart or profile.defaults.restart).rule(),
        priority=priority(service.priority),
        slo=service.slo.slo(service.replicas),
        canary_every_s=service.canary.every_s() if service.canary else None,
        preemptible=service.preemptible,
        lease_s=None if service.lease is None else lease_s(service.lease),
    )
