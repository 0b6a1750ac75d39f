"""What is asked and answered about how MIG divides the GPUs of a node."""

from agents.wire.base import Answer, Ask, Change
from profiles.gpu.repartition import GpuChange, GpuPlan, GpuRecord
from profiles.observed.mig import MigLayout


class PlanLayout(Ask, frozen=True, kw_only=True):
    """What it would take to have `request`, profile → how many, on a GPU; None is MIG off. Nothing is changed.

    `undo` asks for the layout before the newest instead.
    """

    gpu: str
    request: dict[str, int] | None = None
    undo: bool = False


class ApplyLayout(Change, frozen=True, kw_only=True):
    """Divide a GPU as planned. Refused with `stale` unless it is divided as `expected`, with `in_use` while somebody
    is on what goes: `drain` lets the requests of gpuyard's engines finish and stops them, others are never ended."""

    gpu: str
    expected: MigLayout
    wanted: MigLayout
    drain: bool = False
    reason: str = ""


class SettleLayout(Change, frozen=True, kw_only=True):
    """Go on with a change that is stuck, or `back` to the layout before it."""

    gpu: str
    back: bool = False


class ReadLayouts(Ask, frozen=True, kw_only=True):
    """What the node remembers of its GPUs' layouts, and how far each change is."""


class LayoutPlanned(Answer, frozen=True, kw_only=True):
    plan: GpuPlan


class LayoutChanging(Answer, frozen=True, kw_only=True):
    """The change is durable and under way; `ReadLayouts` tells its course, events its end."""

    change: GpuChange


class Layouts(Answer, frozen=True, kw_only=True):
    """In the order of the GPUs."""

    records: tuple[GpuRecord, ...]


LayoutAsk = PlanLayout | ApplyLayout | SettleLayout | ReadLayouts
LayoutAnswer = LayoutPlanned | LayoutChanging | Layouts
