"""A plan as a revision of its profile: which number it gets, and that every node of the profile records it. Pure.

    desired of all nodes ──► last number and its digest ─┐
    what the plan leaves of the profile ──► digest ──────┴─► the same meaning: that number · another: the next

All nodes of the profile are asked, those as well on which nothing changes: so two consoles that number at once meet on
every node where the profile stands, and only one of them finds the generations that it planned on.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.desired.standing import Standing
from profiles.plans.plan import NodePlan, Plan
from profiles.revisions.revision import Document, digest

Parts = Mapping[str, Document]
"""Node → instances of one profile."""


def instead(desired: Mapping[str, Desired], profile: str, parts: Parts) -> dict[str, Desired]:
    """`desired` with `parts` in place of what the profile has there."""
    return {
        node: replace(document, instances={
            **{name: owned for name, owned in document.instances.items() if owned.profile != profile},
            **parts.get(node, {}),
        })
        for node, document in desired.items()
    }  # fmt: skip


def specs_of(parts: Parts) -> dict[str, tuple[InstanceSpec, ...]]:
    """What `parts` want of each node."""
    return {node: tuple(owned.spec for owned in part.values()) for node, part in parts.items()}


def as_they_were(placed: Mapping[str, Iterable[InstanceSpec]], parts: Parts) -> dict[str, tuple[InstanceSpec, ...]]:
    """`placed`, but what is among `parts` as it is there: a file may have been edited since."""
    exact = {(node, spec.name): spec for node, specs in specs_of(parts).items() for spec in specs}
    return {node: tuple(exact.get((node, spec.name), spec) for spec in specs) for node, specs in placed.items()}


def numbered(plan: Plan, profile: str, desired: Mapping[str, Desired], title: str = "") -> Plan:
    """`plan` of `profile` with its revision in every edit. One that changes nothing is no revision: it is called by
    that which stands.

    `title` is "" for that of the revision itself.
    """
    if not plan.changes_anything:
        return replace(plan, title=title or _as_it_is(profile, desired))
    edits = {edit.node: edit for edit in plan.nodes}
    after = {node: edits[node].instances if node in edits else one.instances for node, one in desired.items()}
    touched = tuple(sorted(node for node in desired if node in edits or _owns(after[node], profile)))
    meant = meaning(profile, after)
    number = _number(profile, meant, desired)
    applies = Standing(profile=profile, number=number, digest=meant, nodes=touched)
    nodes = []
    for node in touched:
        before = desired[node]
        edit = edits.get(node) or NodePlan(
            node=node, expected_generation=before.generation, instances=dict(before.instances)
        )
        instances = {
            name: owned if owned == before.instances.get(name) or owned.profile != profile
            else replace(owned, revision=number)
            for name, owned in edit.instances.items()
        }  # fmt: skip
        nodes.append(replace(edit, instances=instances, applies=applies))
    back = f"`gpuyard undo {profile}` returns to what stands now, {_stands(profile, desired)}"
    return replace(plan, title=title or f"{profile} r{number}", nodes=tuple(nodes), undone_by=back)


def _as_it_is(profile: str, desired: Mapping[str, Desired]) -> str:
    number = _newest(profile, desired)
    return f"{profile} r{number}" if number else profile


def _stands(profile: str, desired: Mapping[str, Desired]) -> str:
    number = _newest(profile, desired)
    return f"r{number}" if number else "nothing of it"


def _newest(profile: str, desired: Mapping[str, Desired]) -> int | None:
    """The number that stands; None where nothing of it does."""
    return max((one.number for document in desired.values() if (one := document.standing.get(profile))), default=None)


def meaning(profile: str, documents: Mapping[str, Document]) -> str:
    """The digest of what `profile` wants of all nodes together."""
    return digest({
        f"{node} {name}": owned
        for node, document in documents.items() for name, owned in document.items() if owned.profile == profile
    })  # fmt: skip


def part(document: Document, profile: str) -> str:
    """The digest of what `profile` wants of one node."""
    return digest({name: owned for name, owned in document.items() if owned.profile == profile})


def _owns(document: Mapping[str, DesiredInstance], profile: str) -> bool:
    return any(owned.profile == profile for owned in document.values())


def _number(profile: str, meant: str, desired: Mapping[str, Desired]) -> int:
    standing = [one for document in desired.values() if (one := document.standing.get(profile))]
    told = (owned.revision for document in desired.values() for owned in document.instances.values()
            if owned.profile == profile)  # fmt: skip
    last = max([*(one.last for one in standing), *told], default=0)
    newest = {one.digest for one in standing if one.number == last}
    return last if newest == {meant} else last + 1
