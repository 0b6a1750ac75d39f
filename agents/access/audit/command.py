"""`gpuyard-agent audit verify`: the check on the node itself, without a daemon."""

from agents.access.audit.chain import Anchor, walk
from agents.errors import AuditBroken
from agents.layout import Layout


def verify(layout: Layout, anchor: tuple[int, str] | None) -> None:
    """Print how far the chain holds. Raises AuditBroken, OSError."""
    walked = walk(layout.audit, Anchor(*anchor) if anchor else None)
    if walked.problem:
        raise AuditBroken(f"the audit in {layout.audit} is not what was written: {walked.problem}", "ask who was there")
    end = f", {walked.first_seq} to {walked.last.seq}:{walked.last.hash}" if walked.records else ""
    print(f"{walked.records} records{end}")
