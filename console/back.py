"""Back to what a profile was: asked of its nodes, planned here, applied like any plan (console.operations).

rollback  to a revision that is kept, whatever came since     r118 · a tag · -1
undo      of the revision that stands, and of nothing else    refused where something came since
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from agents.wire import ReadRevision, ReadRevisions, RevisionDocument, Revisions
from console.back_plan import plan_back, plan_undone
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import NodeView, Store
from profiles.desired.model import DesiredInstance, Profile
from profiles.files.load import parse_profile
from profiles.observed.status import Reason
from profiles.plans.plan import Plan
from profiles.revisions.heads import began, meant, of_revision, predecessor
from profiles.revisions.merged import ProfileRevision, Record, choose, merged, stands
from profiles.revisions.undo_profile import Taken
from profiles.text.document import FileError
from profiles.text.yamltext import read

AT_ONCE = 16


class Recorded(msgspec.Struct, frozen=True):
    """What the nodes that answer keep, and why others did not say."""

    records: dict[str, Record]
    refused: dict[str, RequestFailed] = {}

    def of(self, profile: str) -> list[ProfileRevision]:
        """Oldest first."""
        return [one for one in merged(self.records) if one.profile == profile]


class Back(msgspec.Struct, frozen=True):
    """Where it goes, in words, and how. A plan with blockers says why it cannot."""

    plan: Plan
    make: Callable[[], Plan] | None = None
    """The same on the cluster as it is then; None where there is no way."""
    reason: str = ""
    """For the record of the nodes."""
    lines: tuple[str, ...] = ()
    revision: ProfileRevision | None = None
    """The one that it goes back to, or that is undone."""


async def recorded(fleet: Requests, store: Store) -> Recorded:
    """Of all nodes that are there."""
    turns = asyncio.Semaphore(AT_ONCE)
    views = [view for view in store.nodes.values() if view.counted]

    async def one(view: NodeView) -> Record:
        async with turns:
            heads = (await fleet.request(view.name, ReadRevisions(), Revisions)).revisions
        return Record(heads, dict(view.desired.standing), view.clock_skew_s)

    answers = await asyncio.gather(*(one(view) for view in views), return_exceptions=True)
    records: dict[str, Record] = {}
    refused: dict[str, RequestFailed] = {}
    for view, answer in zip(views, answers, strict=True):
        if isinstance(answer, RequestFailed):
            refused[view.name] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            records[view.name] = answer
    return Recorded(records, refused)


async def propose_rollback(fleet: Requests, store: Store, profile: str, word: str) -> Back:
    """To the revision that `word` names (profiles.revisions.merged.choose). Raises RequestFailed."""
    kept = await recorded(fleet, store)
    chosen = choose(profile, merged(kept.records), word)
    if isinstance(chosen, Reason):
        return _blocked(f"rollback {profile}", chosen)
    if silent := [node for node in chosen.lacking if node in store.nodes and not store.nodes[node].counted]:
        text = f"{', '.join(silent)} does not answer, and has a part of {called(chosen)}"
        return _blocked(
            f"rollback {profile}",
            Reason("unreachable", text, "bring it back, or take it out of the inventory if it is gone for good"),
        )
    documents = dict(zip(chosen.on, await _documents(fleet, chosen), strict=True))
    parts = {node: _of(one.instances, profile) for node, one in documents.items()}
    text = next((one.profile_text for one in documents.values() if one.profile_text), "")
    there = {node: _there(store.nodes[node], part) for node, part in parts.items()}
    changed = sorted({*chosen.lacking, *(node for node in parts if there[node] != parts[node])})
    lines = [f"Back to {called(chosen)}: {chosen.what}"]
    anew = None
    if changed:
        try:
            anew = _by_text(chosen, text, changed)
        except FileError as error:
            return _blocked(f"rollback {profile}", Reason("gone", str(error), error.hint))
        lines.append(f"{', '.join(changed)}: not as it was then, so what ran there is placed anew as its text says")
    make = partial(plan_back, store, profile, there, text, anew)
    named = f"r{chosen.number}{f' ({word})' if word in chosen.tags else ''}"
    return Back(make(), make, f"rollback {profile} to {named}", tuple(lines), chosen)


async def propose_profile_undo(fleet: Requests, store: Store, profile: str) -> Back:
    """Of the newest revision that stands. Raises RequestFailed."""
    kept = await recorded(fleet, store)
    title = f"undo {profile}"
    last = stands(kept.of(profile))
    if last is None:
        text = f"no node keeps a revision of {profile} that stands"
        return _blocked(title, Reason("nothing_to_undo", text, "`gpuyard revisions` lists what each node keeps"))
    taken: dict[str, Taken] = {}
    named = last
    for node in last.stands_on:
        heads, view = kept.records[node].heads, store.nodes[node]
        if heads[-1].generation > view.desired.generation:
            return _blocked(title, Reason("stale", f"{node} is being changed just now", "look again, then undo"))
        after = of_revision(heads, last.standing)[-1]
        if (undone := meant(heads, after.applied or last.standing)) is None:
            continue  # the only apply that was tried there failed, and was taken back
        named = next((one for one in kept.of(profile) if one.standing.same(undone)), named)
        first = began(heads, undone)
        before = predecessor(heads, first) if first else None
        if before is None:
            reason = Reason("gone", f"{node} no longer keeps what was before {called(last)}",
                            f"`gpuyard rollback {profile} REV` goes to one that is kept")  # fmt: skip
            return _blocked(title, reason)
        then, now = [await _document(fleet, node, head.generation) for head in (before, after)]
        later = heads[-1] if heads[-1].generation > after.generation else None
        taken[node] = Taken(then.instances, now.instances, then.profile_text, later)
    make = partial(plan_undone, store, profile, title, taken)
    why = f"undo {profile} r{named.number} ({named.reason or 'no reason given'}, {named.author or 'nobody'})"
    line = f"Undoes {called(named)}, on {', '.join(last.stands_on)}: {named.what}"
    return Back(make(), make, why, (line,), last)


def called(revision: ProfileRevision) -> str:
    """`r118 of chat-prod (known-good) by ana (apply chat.yaml)`."""
    tags = f" ({', '.join(revision.tags)})" if revision.tags else ""
    why = f" ({revision.reason})" if revision.reason else ""
    return f"r{revision.number} of {revision.profile}{tags} by {revision.author or 'nobody'}{why}"


async def _documents(fleet: Requests, revision: ProfileRevision) -> list[RevisionDocument]:
    return await asyncio.gather(*(_document(fleet, node, head.generation) for node, head in revision.on.items()))


async def _document(fleet: Requests, node: str, generation: int) -> RevisionDocument:
    return await fleet.request(node, ReadRevision(generation=generation), RevisionDocument)


def _there(view: NodeView, part: Mapping[str, DesiredInstance]) -> dict[str, DesiredInstance]:
    """What of `part` has its GPUs still: a node may have got others since."""
    return {name: owned for name, owned in part.items() if view.gpus.keys() >= set(owned.spec.gpus())}


def _by_text(revision: ProfileRevision, text: str, missing: Sequence[str]) -> Profile:
    """Raises FileError."""
    source = f"the text of r{revision.number}"
    if not text:
        said = f"it is not on record, and {', '.join(missing)} cannot be as it was"
        raise FileError(source, 0, 0, said, f"apply the file of {revision.profile} instead")
    return parse_profile(read(text, source))


def _of(document: Mapping[str, DesiredInstance], profile: str) -> dict[str, DesiredInstance]:
    return {name: owned for name, owned in document.items() if owned.profile == profile}


def _blocked(title: str, reason: Reason) -> Back:
    return Back(Plan(title=title, steps=(), nodes=(), blockers=(reason,)))
