"""What an instance has of GPUs is its own from before its engine starts until all is verifiably given back."""

from agents.instances.context import Context
from agents.instances.runner import Runner
from agents.instances.standing import Standing
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import Phase


async def account(context: Context, runner: Runner, standing: Standing, name: str) -> None:
    """After a step, once it is known what an earlier agent left."""
    admission, reason = context.admission, standing.life.reason
    is_left = bool(runner.survivors) or reason.code == "not_released"
    admission.left(name, runner.left_on() if is_left else ())
    if (process := runner.process) and runner.started:
        handle = process.handle
        admission.hold(name, runner.started.owned.spec.slices, handle.pid, handle.start_ticks)
    elif not is_left:
        await runner.granted.give_back()
        admission.settle(name, _still_wanted(standing))


def _still_wanted(standing: Standing) -> InstanceSpec | None:
    """What it will be started with, now or later."""
    owned = standing.owned
    if owned is None or owned.spec.wanted is Wanted.STOPPED or standing.phase is Phase.FAILED:
        return None
    return owned.spec
