"""Requests about runtimes, carried out."""

from agents import wire
from agents.runtimes.maker import Maker
from agents.runtimes.runtimes import Runtimes

MAX_WAIT_S = 30.0
MAX_LINES = 200
"""In one report."""


async def housed(runtimes: Runtimes, maker: Maker, author: str, ask: wire.RuntimeAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError."""
    match ask:
        case wire.ListRuntimes():
            return wire.Runtimes(runtimes=tuple(await runtimes.look()), problem=runtimes.problem)
        case wire.CheckRuntimes(names=names):
            return wire.Runtimes(runtimes=tuple(await runtimes.look(names, thorough=True)), problem=runtimes.problem)
        case wire.AddRuntime(requirement=requirement, wheels=wheels):
            return wire.RuntimeMaking(name=maker.start(requirement, wheels, author))
        case wire.ReadMaking(name=name, known=known, wait_s=wait_s):
            known = max(known, 0)
            making = await maker.report(name, known, min(max(wait_s, 0.0), MAX_WAIT_S))
            lines = tuple(making.lines[known : known + MAX_LINES])
            read = known + len(lines)
            return wire.MakingReport(
                step=making.step, lines=lines, known=read, over=making.over and read >= len(making.lines),
                problem=making.problem,
            )  # fmt: skip
        case wire.StopMaking(name=name):
            await maker.stop(name)
            return wire.MakingStopped()
        case wire.RemoveRuntime(name=name):
            await maker.remove(name, author)
            return wire.RuntimeRemoved()
