"""How engines are kept apart here, and why not better."""

from agents.doctor.subject import Subject
from profiles.observed.finding import Finding, Severity, info, ok, warning
from profiles.observed.isolation import NodeIsolation, Tier


def judge(isolation: NodeIsolation) -> Finding:
    better = "; ".join(f"not {tier}: {why}" for tier, why in isolation.better.items())
    text = f"tier {isolation.tier}{f' ({better})' if better else ''}"
    if isolation.tier is Tier.PLAIN:
        fix = "engines' limits are not enforced; `gpuyard node install` as root, or with lingering, gives a better tier"
        return warning("isolation_tier", text, fix)
    return (
        ok("isolation_tier", text) if not isolation.absent else info("isolation_tier", f"{text}; {_lacks(isolation)}")
    )


def tier_finding(subject: Subject, findings: list[Finding]) -> Finding:
    """Tried here where no agent runs; a running one tried it when it started, and a second try would disturb it."""
    if any(one.code == "agent_running" and one.severity is not Severity.WARNING for one in findings):
        return info("isolation_tier", "the running agent knows it: `gpuyard node doctor` shows it")
    from agents.processes.isolation.choice import choose

    return judge(choose(subject.layout.state).isolation)


def _lacks(isolation: NodeIsolation) -> str:
    return "; ".join(f"no limit of {name}: {why}" for name, why in isolation.absent.items())
