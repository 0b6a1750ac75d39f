"""Profiles from YAML files, checked as far as a file can be checked without a node."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines import registry
from engines.abilities import Fits, Renames
from engines.base import BadOptions, Engine, UnknownEngine
from engines.devices import Enforcer
from engines.fitting import check_free
from engines.options import options_for
from profiles.desired.gpu_request import BadShare
from profiles.desired.lease import BadLease, lease_s
from profiles.desired.model import Profile, Service
from profiles.desired.priority import BadPriority, priority
from profiles.desired.resources import BadLimit
from profiles.desired.restart import RestartRequest
from profiles.desired.rollout import BadRollout
from profiles.files.defaults import with_defaults
from profiles.files.extends import EXTENDS, read_profile
from profiles.files.gateway_check import check_gateways
from profiles.gpu.gputypes import unknown
from profiles.gpu.share import enforcer
from profiles.latency.canary import BadCanary
from profiles.latency.objectives import BadSlo
from profiles.text.allowed import MAX_PORT, NotAllowed, check_port, check_variable, served_name
from profiles.text.conform import convert, in_words
from profiles.text.document import Document, Where
from profiles.text.names import NAME, NAME_HINT
from profiles.text.selector import BadSelector
from profiles.text.units import duration_s

VERSION = 1
MAX_REPLICAS = 1000
MAX_EXITS = 100

_DEVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?/(?:0|[1-9][0-9]{0,3})", re.ASCII)
_SECRETS = re.compile(
    r"\bhf_[A-Za-z0-9]{8}|\bsk-[A-Za-z0-9_-]{8}|\b(?:AKIA|ASIA)[A-Z0-9]{12}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def load_profile(path: Path) -> Profile:
    """The profile in the file at `path`. Raises FileError at the first thing that is wrong."""
    return parse_profile(read_profile(path))


def parse_profile(document: Document) -> Profile:
    """The profile in `document`. Raises FileError at the first thing that is wrong."""
    _check_version(document)
    document = with_defaults(document)
    profile = convert(document, Profile)
    if profile.extends is not None:
        raise document.error((EXTENDS,), "a text has no file beside it", "write in what it extends")
    if not NAME.fullmatch(profile.profile):
        raise document.error(("profile",), f"`{profile.profile}` cannot name a profile", NAME_HINT)
    if not profile.services:
        hint = f"add one: `chat: {{engine: vllm, model: …}}`; to run none of it, `gpuyard down {profile.profile}`"
        raise document.error(("services",), "no service is listed", hint)
    if profile.defaults.engine is not None:
        _check_engine(document, ("defaults", "engine"), profile.defaults.engine)
    _check_restart(document, ("defaults", "restart"), profile.defaults.restart)
    try:
        profile.rollout.rule()
    except BadRollout as error:
        raise document.error(("rollout", error.key), error.message, error.hint) from None
    for name, service in profile.services.items():
        _check_service(document, profile, name, service)
    check_gateways(document, profile.gateway, profile.services)
    return profile


def _check_version(document: Document) -> None:
    """Before anything else: another version may have other keys."""
    found = document.data.get("gpuyard") if isinstance(document.data, dict) else None
    if type(found) is int and found != VERSION:
        hint = f"write `gpuyard: {VERSION}`, or upgrade gpuyard"
        raise document.error(("gpuyard",), f"version {found} of this file is not known", hint)


def _check_service(document: Document, profile: Profile, name: str, service: Service) -> None:
    here: Where = ("services", name)
    if not NAME.fullmatch(name):
        raise document.error(here, f"`{name}` cannot name a service", NAME_HINT, at_key=True)
    engine = service.engine or profile.defaults.engine
    if engine is None:
        hint = f"add `engine: …`, here or under `defaults` (known: {', '.join(registry.names())})"
        raise document.error(here, f"`{name}` has no engine", hint, at_key=True)
    if service.engine is not None:
        _check_engine(document, (*here, "engine"), service.engine)
    with _complaints(document, (*here, "model")):
        served_name(service.model)
    _check_served_as(document, here, service, registry.get(engine))
    _check_replicas(document, here, service)
    _check_gpus(document, here, service, registry.get(engine))
    _check_place(document, here, service)
    try:
        priority(service.priority)
    except BadPriority as error:
        raise document.error((*here, "priority"), error.message, error.hint) from None
    _check_resources(document, here, service)
    try:
        service.slo.slo(service.replicas)
    except BadSlo as error:
        raise document.error((*here, "slo", error.key), error.message, error.hint) from None
    if service.canary is not None:
        try:
            service.canary.every_s()
        except BadCanary as error:
            raise document.error((*here, "canary", "every"), error.message, error.hint) from None
    if service.lease is not None:
        try:
            lease_s(service.lease)
        except BadLease as error:
            raise document.error((*here, "lease"), error.message, error.hint) from None
    if service.restart is not None:
        _check_restart(document, (*here, "restart"), service.restart)
    _check_env(document, here, service)
    _check_options(document, here, engine, service.options)


@contextmanager
def _complaints(document: Document, where: Where, *, at_key: bool = False) -> Iterator[None]:
    """What is not allowed anywhere, said at its place in the file."""
    try:
        yield
    except NotAllowed as error:
        raise document.error(where, error.message, error.hint, at_key=at_key) from None


def _check_served_as(document: Document, here: Where, service: Service, engine: Engine) -> None:
    if service.served_as is None:
        return
    where = (*here, "served_as")
    with _complaints(document, where):
        served_name(service.model, service.served_as)
    if not service.served_as:
        raise document.error(where, "the name is empty", "leave it out for the model's own")
    if not isinstance(engine, Renames):
        raise document.error(where, f"{engine.name} serves a model by its own name alone", "leave it out")


def _check_engine(document: Document, where: Where, engine: str) -> None:
    try:
        registry.get(engine)
    except UnknownEngine as error:
        raise document.error(where, error.message, error.hint) from None


def _check_replicas(document: Document, here: Where, service: Service) -> None:
    if not 1 <= service.replicas <= MAX_REPLICAS:
        hint = "take the service out to run none" if service.replicas < 1 else "list fewer"
        message = f"replicas must be 1 to {MAX_REPLICAS}, not {service.replicas}"
        raise document.error((*here, "replicas"), message, hint)
    if service.port is None:
        return
    with _complaints(document, (*here, "port")):
        check_port(service.port)
    if service.port + service.replicas - 1 > MAX_PORT:
        message = f"{service.replicas} replicas from port {service.port} on go past {MAX_PORT}"
        raise document.error((*here, "port"), message, "each replica has the next port; choose a lower one")


def _check_resources(document: Document, here: Where, service: Service) -> None:
    try:
        service.resources.limits()
    except BadLimit as error:
        raise document.error((*here, "resources", error.key), error.message, error.hint) from None


def _check_restart(document: Document, where: Where, restart: RestartRequest) -> None:
    if not 1 <= restart.max <= MAX_EXITS:
        message = f"`max` must be 1 to {MAX_EXITS}, not {restart.max}"
        raise document.error((*where, "max"), message, "1 never starts it again by itself")
    if not duration_s(restart.window):
        message = f"`{restart.window}` is no duration"
        raise document.error((*where, "window"), message, "a number and ms, s, m, h or d: `10m`")


def _check_gpus(document: Document, here: Where, service: Service, engine: Engine) -> None:
    if service.gpus is None:
        return
    where = (*here, "gpus")
    _check_devices(document, (*where, "devices"), service.gpus.devices)
    try:
        service.gpus.check_choice()
        share = service.gpus.share()
    except BadShare as error:
        raise document.error((*where, error.key) if error.key else where, error.message, error.hint) from None
    if service.gpus.type is not None and (hint := unknown(service.gpus.type)):
        raise document.error((*where, "type"), f"no GPU type is called `{service.gpus.type}`", hint)
    if share.enforce is Enforcer.ENGINE_FLAG and not isinstance(engine, Fits):
        text = f"{engine.name} has no option that holds it to a part of a GPU's memory"
        raise document.error((*where, "enforce"), text, "`mps`, or `none` where you trust it")
    told = not share.whole and share.mig is None and enforcer(share, engine) is not Enforcer.NONE
    if told and isinstance(engine, Fits):
        try:
            check_free(engine, service.options)
        except BadOptions as error:
            raise document.error((*here, "options", error.key), error.message, error.hint, at_key=True) from None


def _check_devices(document: Document, where: Where, devices: tuple[str, ...] | None) -> None:
    if devices == ():
        raise document.error(where, "no device is listed", "list NODE/INDEX, or leave `gpus` out to use the CPU")
    for place, device in enumerate(devices or ()):
        if not _DEVICE.fullmatch(device):
            raise document.error((*where, place), f"`{device}` is no device", "write NODE/INDEX, like `fra-1/0`")


def _check_place(document: Document, here: Where, service: Service) -> None:
    try:
        service.place.selector()
    except BadSelector as error:
        raise document.error((*here, "place", "nodes"), error.message, error.hint) from None


def _check_env(document: Document, here: Where, service: Service) -> None:
    for variable, value in service.env.items():
        where = (*here, "env", variable)
        with _complaints(document, where, at_key=True):
            check_variable(variable)
        if isinstance(value, str):
            if _SECRETS.search(value):
                hint = f"store it on the node and write `{variable}: {{secret: name}}`"
                raise document.error(where, f"the value of {variable} looks like a secret", hint)
        elif not NAME.fullmatch(value.secret):
            raise document.error((*where, "secret"), f"`{value.secret}` cannot name a secret", NAME_HINT)


def _check_options(document: Document, here: Where, engine: str, options: dict[str, Any]) -> None:
    where = (*here, "options")
    for key, value in options.items():
        if isinstance(value, str) and _SECRETS.search(value):
            hint = "store it on the node and pass it through `env: {NAME: {secret: name}}`"
            raise document.error((*where, key), f"the value of {key} looks like a secret", hint)
    try:
        options_for(registry.get(engine), options)
    except BadOptions as error:
        unknown = error.key not in options or "has no option" in error.message
        option, separator, complaint = error.message.partition(": ")
        message = f"{option}: {in_words(complaint)}" if separator else in_words(option)
        raise document.error((*where, error.key), message, error.hint, at_key=unknown) from None
