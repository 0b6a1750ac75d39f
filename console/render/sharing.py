"""One GPU divided: its memory as a bar, its MIG devices where they lie, and who holds whom to what."""

from collections.abc import Iterable, Sequence

from console.render.entries import entry, long_entry
from console.render.fit import Line, cut, fit
from console.render.slices import amount
from console.render.stack import Layer, stacked
from console.render.table import Tone
from console.render.text import UNKNOWN, age, gib
from console.store import NodeView
from engines.devices import Enforcer, ShareMode, Slice
from profiles.gpu.migparts import offers_of
from profiles.gpu.sharing import Sharing, Stranger, Tenant, sharing
from profiles.observed.status import PROBLEM, GpuReading, InternalStatus, Phase
from profiles.observed.traits import TRAITS, Way, way

FOREIGN, PROMISED, UNATTRIBUTED, RESERVED, INTERNAL, FREE = "▒", "░", "?", "/", "▚", "·"
TENANT = "█▅"
"""Each tenant the other than the one before."""
LEAST_PROMISED_MIB = 256
MODES = {
    ShareMode.EXCLUSIVE: "whole", ShareMode.TIMESLICE: "by turns", ShareMode.MPS: "MPS", ShareMode.MIG: "MIG",
}  # fmt: skip


def shared(view: NodeView, gpu: GpuReading) -> Sharing:
    internals = view.status.internals if view.status else ()
    return sharing(gpu, view.instances.values(), internals)


def mode_word(found: Sharing) -> str:
    return MODES[found.mode] if found.mode else UNKNOWN


def holder_word(part: Slice) -> str:
    """Who holds it to its part, in a word; what only trusts it says so."""
    if part.memory_mib is None and part.mig is None:
        return "alone"
    strict = [one for one in (part.memory_enforcer, part.compute_enforcer) if not one.cooperative]
    if part.memory_enforcer.cooperative and Enforcer.MPS in strict:
        return "MPS (SMs alone)"
    return strict[0].value.upper() if strict else "cooperative"


def stranger_text(one: Stranger) -> str:
    return f"{FOREIGN} {one.name or 'unknown'} {one.pid} ({one.user or '?'})"


def tenant_sign(at: int) -> str:
    return TENANT[at % len(TENANT)]


def memory_line(found: Sharing, width: int) -> Line:
    """All of the GPU's memory in `width` cells."""
    if found.usage is None:
        return ((UNKNOWN, Tone.DIM),)
    used = found.usage
    layers = [Layer(RESERVED, _withheld_mib(found), Tone.DIM)]
    for at, tenant in enumerate(found.tenants):
        layers += [Layer(tenant_sign(at), tenant.used_mib or 0), Layer(PROMISED, _promised_mib(tenant), Tone.DIM)]
    layers += [
        Layer(INTERNAL, found.internal_mib),
        Layer(FOREIGN, used.foreign_mib, Tone.WARN),
        Layer(UNATTRIBUTED, used.unattributed_mib, Tone.WARN),
    ]
    rest = used.total_mib - sum(layer.amount for layer in layers)
    return stacked([*layers, Layer(FREE, max(0, rest), Tone.DIM)], width)


def _promised_mib(tenant: Tenant) -> int:
    """An engine that sizes itself by a share in four digits leaves a little; that is no news."""
    return tenant.promised_mib if tenant.promised_mib >= LEAST_PROMISED_MIB else 0


def _withheld_mib(found: Sharing) -> int:
    """The driver's own, and what nobody is given."""
    if found.usage is None or found.allocatable_mib is None:
        return 0
    return found.usage.total_mib - found.allocatable_mib


def sharing_lines(view: NodeView, gpu: GpuReading, width: int, now_unix_s: float) -> list[Line]:
    """`now_unix_s` is of the node's clock."""
    found = shared(view, gpu)
    total = f"{gib(gpu.memory_used_mib)} of {gib(gpu.memory_total_mib)} GiB"
    lines = [entry("Shared", f"{_mode_text(found)}{_turns(gpu)}"), *_internals(found, width, now_unix_s)]
    room = max(10, min(width, 200) - 17 - len(total))
    lines.append(((f" {'Memory':<14}", Tone.DIM), *memory_line(found, room), (f" {total}", Tone.DIM)))
    lines.append(cut(((" " * 15, Tone.DIM), *_sums(found)), width - 1))
    if gpu.mig is not None and gpu.mig.current:
        lines.append(_mig_map(found, _slots(gpu), room))
    lines += _parts(found, width)
    return [*lines, *_isolation(found, width)]


def _turns(gpu: GpuReading) -> str:
    return f"; turns are {gpu.timeslice}" if gpu.timeslice else ""


def _mode_text(found: Sharing) -> str:
    if found.mode is None:
        return "nobody has a part of it"
    said = {
        ShareMode.EXCLUSIVE: f"whole: {', '.join(tenant.name for tenant in found.tenants)} alone",
        ShareMode.TIMESLICE: "by turns: its tenants compute one after the other",
        ShareMode.MPS: "MPS: its tenants compute side by side",
        ShareMode.MIG: "MIG: divided by the hardware",
    }
    return said[found.mode]


def _internals(found: Sharing, width: int, now_unix_s: float) -> list[Line]:
    lines: list[Line] = []
    for one in found.internals:
        lines += long_entry("MPS daemon", _daemon_text(one, now_unix_s), width, _tone(one.phase))
        if one.reason:
            lines += long_entry("", f"{one.reason.text} — {one.reason.hint}", width, _tone(one.phase))
    return lines


def _daemon_text(one: InternalStatus, now_unix_s: float) -> str:
    pid = f"pid {one.pid}, " if one.pid else ""
    up = f" for {age(now_unix_s - one.since_unix_s)}" if one.since_unix_s else ""
    return f"{one.phase}{up}, {pid}{one.name}"


def _sums(found: Sharing) -> Line:
    """The bar in numbers; what is nothing is left out."""
    if found.usage is None:
        return (("the memory of this GPU is not known", Tone.DIM),)
    used = found.usage
    figures = (
        (TENANT[0], "ours", sum(tenant.used_mib or 0 for tenant in found.tenants), Tone.PLAIN),
        (INTERNAL, "MPS daemon", found.internal_mib, Tone.PLAIN),
        (PROMISED, "promised", sum(map(_promised_mib, found.tenants)), Tone.DIM),
        (FOREIGN, "foreign", used.foreign_mib, Tone.WARN),
        (UNATTRIBUTED, "unattributed", used.unattributed_mib, Tone.WARN),
        (RESERVED, "reserved", _withheld_mib(found), Tone.DIM),
    )
    said = [(f"   {sign} {word} {gib(mib)}", tone) for sign, word, mib, tone in figures if mib]
    return ((f"{FREE} {_free_text(found)}", Tone.PLAIN), *said)


def _free_text(found: Sharing) -> str:
    if found.mode is not ShareMode.MIG:
        return f"free {gib(found.free_mib)}"
    return f"free: {', '.join(slot.profile for slot in found.free_slots) or 'no MIG device'}"


def _slots(gpu: GpuReading) -> int:
    """Of memory that MIG counts in: eight on a GPU of seven slices, four on one of four."""
    offers = offers_of(gpu.name, gpu.memory_total_mib)
    return max((start + offer.size for offer in offers for start in offer.starts), default=8)


def _mig_map(found: Sharing, slots: int, width: int) -> Line:
    """Each device over the slots that it has."""
    cell = max(3, width // slots)
    taken = {tenant.part.mig.start: (tenant.part.mig, tenant.name) for tenant in found.tenants if tenant.part.mig}
    there = taken | {slot.start: (slot, "free") for slot in found.free_slots}
    spans: list[tuple[str, Tone]] = [(f" {'Slots':<14}", Tone.DIM)]
    at = 0
    while at < slots:
        if at in there:
            slot, name = there[at]
            tone = Tone.DIM if name == "free" else Tone.PLAIN
            spans.append(("│" + fit(f"{slot.profile} {name}", slot.size * cell - 1), tone))
            at += slot.size
        else:
            spans.append(("│" + FREE * (cell - 1), Tone.DIM))
            at += 1
    return (*spans, ("│", Tone.DIM))


def _parts(found: Sharing, width: int) -> list[Line]:
    if not found.strangers and (not found.tenants or found.mode is ShareMode.EXCLUSIVE):
        return []
    rows: list[tuple[str, str, str, str, Tone]] = [
        ("  Tenant", "Part", "Uses GiB", "Held by", Tone.DIM), *_tenant_rows(found.tenants),
        *(_stranger_row(one) for one in found.strangers),
    ]  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    widths[0] = min(widths[0], max(12, width - sum(widths[1:]) - 34))
    return [
        ((f" {'Parts' if at == 0 else '':<14}", Tone.DIM),
         (f"{fit(who, widths[0])}  {fit(part, widths[1])}  {fit(uses, widths[2], right=True)}  {holder}", tone))
        for at, (who, part, uses, holder, tone) in enumerate(rows)
    ]  # fmt: skip


def _tenant_rows(tenants: Sequence[Tenant]) -> Iterable[tuple[str, str, str, str, Tone]]:
    for at, one in enumerate(tenants):
        part = amount(one.part) or "all of it"
        yield f"{tenant_sign(at)} {one.name}", part, gib(one.used_mib), _held(one), _tone(one.phase)


def _held(one: Tenant) -> str:
    """By whom, what may be taken back, and where it stands unless it serves."""
    words = [holder_word(one.part)]
    if one.part.memory_mib is not None and (above := (one.used_mib or 0) - one.part.memory_mib) > 0:
        words.append(f"{gib(above)} GiB above its request: reclaimable")
    if one.phase is not Phase.READY:
        words.append(one.phase)
    return "   ".join(words)


def _stranger_row(one: Stranger) -> tuple[str, str, str, str, Tone]:
    return stranger_text(one), "", gib(one.used_mib), "nobody: foreign", Tone.WARN


def _isolation(found: Sharing, width: int) -> list[Line]:
    """What that keeps apart, for each way that is in use here."""
    ways = dict.fromkeys(way(tenant.part) for tenant in found.tenants)
    lines: list[Line] = []
    for one in ways:
        if one is Way.WHOLE:
            continue
        said = TRAITS[one]
        label = "Keeps apart" if len(ways) == 1 else _BY[one]
        text = f"memory: {said.memory}; compute: {said.compute}; faults: {said.faults}"
        lines += long_entry(label, text, width, Tone.DIM)
    for text in dict.fromkeys(TRAITS[one].change for one in ways if one is not Way.WHOLE):
        lines += long_entry("A change", f"disturbs {text}", width, Tone.DIM)
    return lines


_BY = {Way.MIG: "By MIG", Way.MPS: "By MPS", Way.ENGINE_FLAG: "By its option", Way.NONE: "By nobody"}


def _tone(phase: Phase) -> Tone:
    if phase not in PROBLEM:
        return Tone.PLAIN
    return Tone.WARN if phase in (Phase.DEGRADED, Phase.BACKOFF) else Tone.BAD
