"""A plan in a file: made now, read by somebody, applied later, or refused when the cluster has moved on. Pure.

    Plan + what it was made on ──save──► bytes ──read──► SavedPlan ──moved_on──► why it is stale, if it is

The digest is over canonical JSON of everything else in the file: it finds what was changed in it, and is no signature.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

import msgspec

from profiles.desired.model import Desired
from profiles.observed.status import Reason
from profiles.placing.cordon import Cordons
from profiles.plans.plan import Plan
from profiles.revisions.revision import Document, digest

VERSION = 1


class BadPlan(Exception):
    """The file is no plan that can be applied. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document of one node that a plan was made on. A node that was set up anew counts from 0 again, so its
    generation alone does not tell."""

    generation: int
    digest: str


class SavedPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reason` is for the record of the nodes; `seen` has every node that is in the plan, also those that it keeps."""

    gpuyard: int = VERSION
    kind: Literal["saved-plan"] = "saved-plan"
    by: str
    at_unix_s: float
    reason: str
    seen: dict[str, Seen]
    plan: Plan


def seen(plan: Plan, desired: Mapping[str, Desired]) -> dict[str, Seen]:
    """What `plan` was made on, of `desired`."""
    nodes = {edit.node for edit in plan.nodes} | {node for step in plan.steps for node in step.nodes}
    return {node: _seen(desired[node]) for node in sorted(nodes) if node in desired}


def save(plan: SavedPlan) -> bytes:
    plain: dict[str, object] = msgspec.to_builtins(plan)
    found = msgspec.json.encode({"digest": _digest(plain), **plain})
    return msgspec.json.format(found, indent=2) + b"\n"


def read(text: bytes) -> SavedPlan:
    """Raises BadPlan."""
    again = "make it anew with `gpuyard plan … --out FILE`"
    try:
        plain = msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError:
        raise BadPlan("this is no saved plan", again) from None
    told = plain.pop("digest", None)
    if plain.get("gpuyard") != VERSION or plain.get("kind") != "saved-plan":
        raise BadPlan("this is no saved plan of a version that is known here", again)
    if told != _digest(plain):
        raise BadPlan("it was changed after it was saved: its digest is another one", again)
    try:
        found = msgspec.convert(plain, SavedPlan)
    except msgspec.ValidationError as error:
        raise BadPlan(f"another version of gpuyard made it: {error}", again) from None
    if _digest(msgspec.to_builtins(found)) != told:  # a key that is not known here would be dropped unseen
        raise BadPlan("another version of gpuyard made it, which knows other keys", again)
    return found


def moved_on(before: Mapping[str, Seen], desired: Mapping[str, Desired]) -> tuple[Reason, ...]:
    """A reason for each node that is not as the plan saw it. Nodes that are not in `desired` are not judged."""
    return tuple(
        Reason("stale", f"{node} was changed since: {_who(then, desired[node])}", "plan anew")
        for node, then in before.items()
        if node in desired and _seen(desired[node]) != then
    )


def _who(then: Seen, now: Desired) -> str:
    if now.generation <= then.generation:
        return f"it is at generation {now.generation} again, with another document"
    why = f" ({now.reason})" if now.reason else ""
    return f"generation {then.generation} → {now.generation} by {now.author or 'nobody'}{why}"


def _seen(desired: Desired) -> Seen:
    document: Document = desired.instances
    cordons: Cordons = desired.cordons
    return Seen(desired.generation, digest(document, cordons))


def _digest(plain: Mapping[str, object]) -> str:
    return sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()
