"""One rule a file: `look(evidence, hurt)`. All of them are asked, in this order, and none knows another."""

from collections.abc import Callable

from profiles.explain.cause import Finding
from profiles.explain.causes import (
    batch,
    change,
    engine,
    failing,
    kv,
    neighbour,
    node,
    orphan,
    prefill,
    throttle,
    traffic,
)
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt

RULES: tuple[Callable[[Evidence, Hurt | None], Finding], ...] = (
    failing.look, node.look, neighbour.look, throttle.look, traffic.look, prefill.look, kv.look, engine.look,
    batch.look, change.look, orphan.look,
)  # fmt: skip
