"""What a link to a node shows by itself, judged from its view. Pure."""

from console.views import NodeView
from profiles.observed.finding import Finding, info, ok, problem, warning
from profiles.observed.status import Reason

SKEW_S = 2.0
SLOW_S = 0.5


def judge(view: NodeView, way: str, own_version: str, no_answer: Reason) -> list[Finding]:
    """`way` is how the agent saw us come in, "" where it does not say."""
    status = view.status
    if not view.counted or status is None:
        why = view.why or no_answer
        return [problem("login", why.text, why.hint or "see `ssh` to that host")]
    return [
        ok("login", "the agent is reached"),
        info("way_in", way or view.way),
        _versions(status.agent_version, own_version),
        info("role", f"this login is {view.role} there"),
        _skew(view.clock_skew_s),
        *([_round_trip(view.round_trip_s)] if view.round_trip_s is not None else []),
    ]


def _versions(agent: str, console: str) -> Finding:
    if agent == console:
        return ok("versions", f"agent and console are {agent}")
    text = f"the agent is {agent}, this console {console}"
    return info("versions", text, "`gpuyard node upgrade`, or upgrade this console: they understand each other so far")


def _skew(skew_s: float) -> Finding:
    if abs(skew_s) < SKEW_S:
        return ok("clock_skew", f"its clock and ours are less than {SKEW_S:g} s apart")
    text = f"its clock is {abs(skew_s):,.1f} s {'ahead' if skew_s > 0 else 'behind'}"
    return warning(
        "clock_skew", text, "let both keep their time (chrony, systemd-timesyncd): certificates and logs need it"
    )


def _round_trip(round_trip_s: float) -> Finding:
    text = f"{round_trip_s * 1000:.0f} ms"
    if round_trip_s < SLOW_S:
        return ok("round_trip", text)
    return warning("round_trip", text, "see the way there (`mtr`), and the load of the host and of its jump host")
