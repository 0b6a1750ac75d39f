"""The key `gateway` of a profile, checked as far as a file can be without a node."""

from collections.abc import Mapping
from difflib import get_close_matches

from profiles.desired.gateway import MAX_WEIGHT, GatewayRequest
from profiles.desired.model import Service
from profiles.text.allowed import NotAllowed, check_port, served_name
from profiles.text.document import Document
from profiles.text.names import NAME, NAME_HINT


def check_gateways(document: Document, gateways: dict[str, GatewayRequest], services: Mapping[str, Service]) -> None:
    """Raises FileError at the first thing that is wrong."""
    taken: dict[tuple[str, int], str] = {}
    for name, one in gateways.items():
        here = ("gateway", name)
        if not NAME.fullmatch(name):
            raise document.error(here, f"`{name}` cannot name a gateway", NAME_HINT, at_key=True)
        if name in services:
            hint = f"call it otherwise: `{name}-gateway`"
            raise document.error(here, f"`{name}` is a service of this profile", hint, at_key=True)
        try:
            check_port(one.port)
        except NotAllowed as error:
            raise document.error((*here, "port"), error.message, error.hint) from None
        if (other := taken.setdefault((one.node, one.port), name)) != name:
            text = f"`{other}` has port {one.port} of {one.node} already"
            raise document.error((*here, "port"), text, "one port for each gateway")
        _check_serve(document, here, one.serve, list(services))
        _check_names(document, here, {name: services[name] for name in one.serve})


def _check_serve(document: Document, here: tuple[str, ...], serve: dict[str, int], services: list[str]) -> None:
    where = (*here, "serve")
    if not serve:
        raise document.error(where, "it serves nothing", f"a service and its weight: `{{{services[0]}: 100}}`")
    for service, weight in serve.items():
        if service not in services:
            close = get_close_matches(service, services, n=1)
            meant = f"did you mean `{close[0]}`? " if close else ""
            hint = f"{meant}known: {', '.join(services)}"
            raise document.error((*where, service), f"no service is called `{service}`", hint, at_key=True)
        if not 0 <= weight <= MAX_WEIGHT:
            text = f"a weight must be 0 to {MAX_WEIGHT}, not {weight}"
            raise document.error((*where, service), text, "0 gives it no new requests")
    if not any(serve.values()):
        raise document.error(where, "no service has a weight: nothing would be served", "give one at least 1")


def _check_names(document: Document, here: tuple[str, ...], serve: Mapping[str, Service]) -> None:
    """A client asks for one name, whoever answers."""
    names = {name: served_name(one.model, one.served_as or "") for name, one in serve.items()}
    first = next(iter(names))
    for service, served in names.items():
        if served != names[first]:
            text = f"`{service}` serves `{served}`, `{first}` serves `{names[first]}`: a client asks for one of them"
            hint = f"give both one name: `served_as: {here[-1]}`"
            raise document.error((*here, "serve", service), text, hint, at_key=True)
