"""The check-up that a console asks for: what the doctor's children find, and what the agent itself knows."""

import asyncio

from agents import wire
from agents.access.caller import Caller
from agents.board import Board
from agents.doctor import isolation
from agents.doctor.examiner import Examiner
from agents.doctor.gathering import gather
from agents.errors import Refused
from agents.instances.logs import LogSource
from profiles.observed.finding import Finding, ordered, problem


async def self_checked(
    examiner: Examiner, board: Board, logs: LogSource, caller: Caller, ask: wire.SelfCheck
) -> wire.SelfChecked:
    """Raises Refused while another is under way: it would measure the same disks."""
    if examiner.is_busy:
        raise Refused("busy", "another check-up is under way", "ask again in some seconds", retry_after_s=5.0)
    findings = [*await examiner.findings(), *known(board)]
    files = await asyncio.to_thread(gather, examiner.subject, logs.redactor()) if ask.files else {}
    return wire.SelfChecked(findings=tuple(ordered(findings)), way=caller.introduction.way, files=files)


def known(board: Board) -> list[Finding]:
    """What needs no look: the tier was tried when the agent started, troubles are watched all the time."""
    status = board.status()
    troubles = [problem("agent_trouble", one.text, one.hint or "see the agent's log") for one in status.troubles]
    return [*troubles, *([isolation.judge(status.isolation)] if status.isolation else [])]
