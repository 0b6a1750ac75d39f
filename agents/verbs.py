"""What a caller may ask, and who carries it out: the one place where a request meets a role."""

from collections.abc import Mapping

from agents import wire
from agents.errors import Refused
from agents.logs import read_log
from agents.node import Caller, Node
from profiles.status import Role

NEEDED: Mapping[type[wire.AnyAsk], Role] = {
    wire.ReadLog: Role.VIEWER,
    wire.ReadRevisions: Role.VIEWER,
    wire.ReadRevision: Role.VIEWER,
    wire.SetDesired: Role.OPERATOR,
}
"""The least role for each request."""


async def carry_out(node: Node, caller: Caller, ask: wire.AnyAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError."""
    needed = NEEDED[type(ask)]
    if caller.role.rank < needed.rank:
        raise Refused(
            "denied", f"a {caller.role} may not do this, it needs the role {needed}", f"connect as an {needed}"
        )
    match ask:
        case wire.ReadLog():
            return await read_log(node.control, ask)
        case wire.ReadRevisions():
            return wire.Revisions(revisions=node.revisions.heads())
        case wire.ReadRevision(generation=generation):
            kept = node.revisions.document(generation)
            return wire.RevisionDocument(head=kept.head, instances=kept.instances, profile_text=kept.profile_text)
        case wire.SetDesired():
            return wire.DesiredSet(generation=node.control.set_desired(ask, ask.author or caller.author))
