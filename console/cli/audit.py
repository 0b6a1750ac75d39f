"""`gpuyard audit verify`: is the record of who did what on each node whole, and the one that was there before?"""

import argparse
import asyncio

import msgspec

from agents.wire import AuditVerified, VerifyAudit
from console.anchors import Remembered
from console.cli.names import find_node
from console.cli.output import Exit, Format, print_json, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import NodeUnreachable, RequestFailed
from console.remote.fleet import place
from profiles.observed.status import Reason

DEADLINE_S = 60.0


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    given: str | None = options.node
    inventory = inventory_of(options)
    async with reached(inventory) as found:
        views = [view for view in found.store.nodes.values() if view.counted]
        nodes = [view.name for view in views] if given is None else [find_node(found, given)]
        places = {node: place(inventory.nodes[node]) for node in nodes}
        answers = await asyncio.gather(*(_verify(found, node, places[node], options) for node in nodes))
        if Format(options.output) is Format.JSON:
            print_json("audit", [_item(node, one) for node, (one, _) in zip(nodes, answers, strict=True) if one])
        lost = found.lost() if given is None else []
        return max([found.say_lost(lost), *(code for _, code in answers)])


async def _verify(
    found: Reached, node: str, where: str, options: argparse.Namespace
) -> tuple[AuditVerified | None, Exit]:
    known = None if options.accept else found.fleet.anchors.of(where)
    known = known or Remembered(0, "")
    try:
        ask = VerifyAudit(known_seq=known.seq, known_hash=known.hash)
        verified = await found.fleet.request(node, ask, AuditVerified, deadline_s=DEADLINE_S)
    except RequestFailed as failed:
        say_reason(failed.reason, node)
        return None, Exit.UNREACHABLE if isinstance(failed, NodeUnreachable) else Exit.FAILED
    if verified.problem:
        hint = "see who could write there, and what other consoles remember"
        say_reason(Reason("audit_doubt", f"its audit is not what was written: {verified.problem}", hint), node)
        return verified, Exit.FAILED
    found.fleet.anchors.remember(where, verified.last_seq, verified.last_hash)
    found.store.nodes[node].doubt = None
    if Format(options.output) is not Format.JSON:
        print(f"{node}: {verified.records} records, {verified.last_seq}:{verified.last_hash[:16]}")
    return verified, Exit.DONE


def _item(node: str, verified: AuditVerified) -> dict[str, object]:
    return {"node": node, **msgspec.structs.asdict(verified)}
