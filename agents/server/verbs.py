"""What a caller may ask, and who carries it out: the one place where a request meets a role."""

import asyncio
from collections.abc import Mapping
from functools import partial

import msgspec

from agents import wire
from agents.access.audit.chain import Anchor, hash_at, walk
from agents.access.audit.log import AuditLog
from agents.access.caller import Caller
from agents.access.peer import lesser
from agents.access.permits import admin_only
from agents.errors import Refused
from agents.instances.desired import only_stops
from agents.instances.logs import read_log
from agents.past.recall import recall
from agents.past.spending import spent
from agents.server.applying import applying
from agents.server.dividing import divided
from agents.server.housing import housed
from agents.server.node import Node
from agents.server.noting import noted
from agents.server.selfcheck import self_checked
from agents.server.trying import tried
from profiles.desired.model import Desired
from profiles.observed.status import Role
from profiles.revisions.applyjournal import ApplyJournal

NEEDED: Mapping[type[wire.AnyAsk], Role] = {
    wire.ReadLog: Role.VIEWER,
    wire.ReadHistory: Role.VIEWER,
    wire.ReadSpent: Role.VIEWER,
    wire.ReadRevisions: Role.VIEWER,
    wire.ReadRevision: Role.VIEWER,
    wire.ReadAnchor: Role.VIEWER,
    wire.VerifyAudit: Role.OPERATOR,
    wire.SetDesired: Role.OPERATOR,
    wire.TakeLease: Role.OPERATOR,
    wire.ReleaseLease: Role.OPERATOR,
    wire.ListProcesses: Role.VIEWER,
    wire.SelfCheck: Role.OPERATOR,
    wire.Terminate: Role.ADMIN,
    wire.NoteShell: Role.VIEWER,
    wire.NoteBudget: Role.VIEWER,
    wire.Smoke: Role.OPERATOR,
    wire.StartTrial: Role.OPERATOR,
    wire.ReadTrial: Role.VIEWER,
    wire.StopTrial: Role.OPERATOR,
    wire.ListTrials: Role.VIEWER,
    wire.PlanLayout: Role.OPERATOR,
    wire.ApplyLayout: Role.ADMIN,
    wire.SettleLayout: Role.ADMIN,
    wire.ReadLayouts: Role.VIEWER,
    wire.ChangeTimeslice: Role.ADMIN,
    wire.ControlEngine: Role.OPERATOR,
    wire.SetTag: Role.OPERATOR,
    wire.ListRuntimes: Role.VIEWER,
    wire.CheckRuntimes: Role.OPERATOR,
    wire.AddRuntime: Role.ADMIN,
    wire.ReadMaking: Role.VIEWER,
    wire.StopMaking: Role.ADMIN,
    wire.BeginApply: Role.OPERATOR,
    wire.NoteApply: Role.OPERATOR,
    wire.ReadApplies: Role.VIEWER,
    wire.RemoveRuntime: Role.ADMIN,
    wire.ReadMeasurements: Role.VIEWER,
}
"""The least role for each request; what is in it may need a higher one (`_needed`)."""


async def carry_out(node: Node, caller: Caller, ask: wire.AnyAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError. The role is looked up anew each time: who lost it keeps no right by staying."""
    found = await node.roles.role_of(caller.peer.uid)
    role = lesser(found, caller.role) if found else None
    current = node.board.desired
    try:
        if role is None:
            raise Refused("denied", f"{caller.peer.user} has no role on this node any more", "ask its admin")
        _permit(role, node, ask)
    except Refused as refusal:
        node.gate.denied(caller, role, ask, current, refusal.message)
        raise
    act = partial(_act, node, caller, role, ask)
    if not isinstance(ask, wire.Change):
        return await act()
    return await node.gate.change(caller, role, ask, current, act, emergency=_is_emergency(role, ask, current))


async def _act(node: Node, caller: Caller, role: Role, ask: wire.AnyAsk) -> wire.AnyAnswer:
    match ask:
        case wire.SetDesired(key=key) if key and key == node.board.desired.key:
            # Done by an agent that died before it could keep the answer.
            return wire.DesiredSet(generation=node.board.desired.generation)
        case wire.SetDesired():
            return wire.DesiredSet(generation=node.control.set_desired(ask, ask.author or caller.author))
        case wire.TakeLease():
            taken = node.gate.leases.take(caller, ask)
            return msgspec.structs.replace(taken, generation=node.board.desired.generation)
        case wire.ReleaseLease():
            return node.gate.leases.release(ask)
        case wire.Terminate(pid=pid, start_ticks=start_ticks, kind=kind):
            return wire.Terminated(text=await node.terminator.terminate(pid, start_ticks, kind, caller.author))
        case wire.NoteShell() | wire.NoteBudget():
            return noted(node.events, caller.author, ask, node.board.now())
        case wire.ListProcesses():
            # Arguments of other people's processes may hold what is not for everybody's eyes.
            return wire.Processes(processes=await node.survey.everyone(commands=role.rank >= Role.OPERATOR.rank))
        case wire.SelfCheck():
            return await self_checked(node.examiner, node.board, node.control, caller, ask)
        case wire.Smoke() | wire.StartTrial() | wire.ReadTrial() | wire.StopTrial() | wire.ListTrials():
            return await tried(node.trials, caller.author, ask)
        case wire.PlanLayout() | wire.ApplyLayout() | wire.SettleLayout() | wire.ReadLayouts():
            return await divided(node.layouts, caller.author, ask)
        case wire.ChangeTimeslice(gpu=gpu, to=to):
            return wire.TimesliceChanged(problem=await node.timeslices.set(gpu, to, caller.author))
        case wire.ControlEngine(instance=instance, act=asked):
            await node.acts.perform(instance, asked, caller.author)
            return wire.EngineControlled()
        case wire.SetTag():
            return wire.TagSet(before=node.revisions.tag(ask, caller.author))
        case wire.BeginApply() | wire.NoteApply() | wire.ReadApplies():
            return applying(node.applies, node.board, caller.author, ask)
    if isinstance(ask, wire.RuntimeAsk):
        return await housed(node.runtimes, node.maker, caller.author, ask)
    return await _read(node, ask)


async def _read(node: Node, ask: wire.AnyAsk) -> wire.AnyAnswer:
    match ask:
        case wire.ReadLog():
            piece = await read_log(node.control, ask)
            await asyncio.sleep(node.log_rate.owe(len(piece.text)))
            return piece
        case wire.ReadHistory():
            return await recall(node.history, ask)
        case wire.ReadSpent():
            return await spent(node.history, ask)
        case wire.ReadRevisions():
            return wire.Revisions(revisions=node.revisions.heads())
        case wire.ReadRevision(generation=generation):
            kept = node.revisions.document(generation)
            return wire.RevisionDocument(
                head=kept.head, instances=kept.instances, profile_text=kept.profile_text, cordons=kept.cordons
            )
        case wire.VerifyAudit():
            return await verified(node.gate.audit, ask)
        case wire.ReadMeasurements():
            return wire.Measurements(measurements=node.measurements.all())
        case wire.ReadAnchor(seq=seq):
            found = await asyncio.to_thread(hash_at, node.gate.audit.directory, seq)
            return wire.Anchor(seq=seq, hash=found or "")
    raise AssertionError(f"nobody carries out {type(ask).__name__}")


async def verified(audit: AuditLog, ask: wire.VerifyAudit) -> wire.AuditVerified:
    """Beside the loop: a long audit takes a while. What is written meanwhile is left out."""
    known = Anchor(ask.known_seq, ask.known_hash) if ask.known_seq else None
    walked = await asyncio.to_thread(walk, audit.directory, known, max(audit.last.seq, ask.known_seq))
    return wire.AuditVerified(
        records=walked.records,
        first_seq=walked.first_seq,
        last_seq=walked.last.seq,
        last_hash=walked.last.hash,
        problem=walked.problem,
    )


def _is_emergency(role: Role, ask: wire.Change, current: Desired) -> bool:
    """An admin stops engines and does nothing else: never held up by a disk."""
    return (
        role is Role.ADMIN
        and isinstance(ask, wire.SetDesired)
        and ask.cordons is None
        and ask.applies is None
        and only_stops(current, msgspec.structs.replace(current, instances=ask.instances))
    )


def _guarded(node: Node, journal: ApplyJournal) -> str:
    """Who goes on with an apply asks for what stands in it: nothing may stand there that its author may not ask for."""
    found = (admin_only(edit.after, node.board.desired) for edit in journal.edits.values())
    return next(filter(None, found), "")


def _permit(role: Role, node: Node, ask: wire.AnyAsk) -> None:
    """Raises Refused."""
    needed, what = _needed(node, ask)
    if role.rank < needed.rank:
        raise Refused("denied", f"a {role} may not {what}, it needs the role {needed}", f"connect as an {needed}")


def _needed(node: Node, ask: wire.AnyAsk) -> tuple[Role, str]:
    match ask:
        case wire.ReadLog():
            return node.roles.logs, "read engines' logs"
        case wire.SetDesired() if what := admin_only(ask.instances, node.board.desired):
            return Role.ADMIN, what
        case wire.BeginApply(journal=journal) if what := _guarded(node, journal):
            return Role.ADMIN, what
        case wire.TakeLease(force=True):
            return Role.ADMIN, "take a lease over"
        case wire.ApplyLayout() | wire.SettleLayout() | wire.ChangeTimeslice():
            return Role.ADMIN, "change how GPUs are shared"
        case wire.AddRuntime() | wire.StopMaking() | wire.RemoveRuntime():
            return Role.ADMIN, "make or remove environments of engines"
        case wire.SelfCheck(files=True):
            return Role.ADMIN, "gather logs and settings"
    return NEEDED[type(ask)], "do this"
