"""What a caller may ask, and who carries it out: the one place where a request meets a role."""

from collections.abc import Mapping

from agents import wire
from agents.errors import Refused
from agents.logs import read_log
from agents.node import Caller, Node
from agents.peer import lesser
from agents.permits import admin_only
from agents.recall import recall
from profiles.status import Role

NEEDED: Mapping[type[wire.AnyAsk], Role] = {
    wire.ReadLog: Role.VIEWER,
    wire.ReadHistory: Role.VIEWER,
    wire.ReadRevisions: Role.VIEWER,
    wire.ReadRevision: Role.VIEWER,
    wire.SetDesired: Role.OPERATOR,
}
"""The least role for each request; what is in it may need a higher one (`_needed`)."""


async def carry_out(node: Node, caller: Caller, ask: wire.AnyAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError. The role is looked up anew each time: who lost it keeps no right by staying."""
    role = await node.roles.role_of(caller.peer.uid)
    if role is None:
        raise Refused("denied", f"{caller.peer.user} has no role on this node any more", "ask its admin")
    _permit(lesser(role, caller.role), node, ask)
    match ask:
        case wire.ReadLog():
            return await read_log(node.control, ask)
        case wire.ReadHistory():
            return await recall(node.history, ask)
        case wire.ReadRevisions():
            return wire.Revisions(revisions=node.revisions.heads())
        case wire.ReadRevision(generation=generation):
            kept = node.revisions.document(generation)
            return wire.RevisionDocument(head=kept.head, instances=kept.instances, profile_text=kept.profile_text)
        case wire.SetDesired():
            return wire.DesiredSet(generation=node.control.set_desired(ask, ask.author or caller.author))


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
    return NEEDED[type(ask)], "do this"
