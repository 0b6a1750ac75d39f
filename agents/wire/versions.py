"""Which protocol two sides speak: the highest that both know, and what to say where there is none."""

from agents.wire.frames import Hello


def common_protocol(ours: Hello, theirs: Hello) -> int | None:
    """None without overlap."""
    highest = min(ours.protocol_max, theirs.protocol_max)
    return highest if highest >= max(ours.protocol_min, theirs.protocol_min) else None


def no_common_protocol(agent: Hello, console: Hello) -> tuple[str, str]:
    """Message and hint: both versions, and the side that has to be upgraded."""
    text = (
        f"agent {_named(agent)} speaks protocol {_range(agent)}, "
        f"console {_named(console)} speaks {_range(console)}: they have none in common"
    )
    if agent.protocol_max < console.protocol_min:
        return text, f"upgrade the agent on that node to {_named(console)}"
    return text, f"upgrade this console to {_named(agent)}"


def _named(hello: Hello) -> str:
    return hello.version or "of unknown version"


def _range(hello: Hello) -> str:
    low, high = hello.protocol_min, hello.protocol_max
    return str(low) if low == high else f"{low}–{high}"
