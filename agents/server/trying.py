"""Requests about trials, carried out."""

from agents import wire
from agents.trials.trials import Trials

MAX_WAIT_S = 30.0


async def tried(trials: Trials, author: str, ask: wire.TrialAsk) -> wire.AnyAnswer:
    """Raises Refused."""
    match ask:
        case wire.Smoke(instance=instance):
            return wire.Smoked(timing=await trials.smoke(instance))
        case wire.StartTrial(instance=instance, trial=trial):
            return wire.TrialStarted(name=trials.start(instance, trial, author))
        case wire.ReadTrial(name=name, known=known, wait_s=wait_s):
            bench = await trials.report(name, known, min(max(wait_s, 0.0), MAX_WAIT_S))
            return wire.TrialReport(
                answered=bench.answered, of=bench.of, levels=tuple(bench.levels), over=bench.over, problem=bench.problem
            )
        case wire.StopTrial(name=name):
            await trials.stop(name)
            return wire.TrialStopped()
        case wire.ListTrials(instance=instance):
            return wire.Trials(trials=tuple(trials.kept(instance)))
