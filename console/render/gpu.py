"""One GPU in full, as lines: state, work, memory, heat, links, errors, MIG devices, who is on it, what happened."""

from collections.abc import Mapping

from console.render.entries import entry, long_entry
from console.render.figures import bar, moment
from console.render.fit import Line
from console.render.gpus import gpu_state
from console.render.pulse import event_tone
from console.render.sharing import sharing_lines
from console.render.table import Tone
from console.render.text import NOT_AVAILABLE, age, gib, number, percent
from console.store import Key, NodeView, Store
from profiles.observed.gpuhealth import SAID
from profiles.observed.gpus import NORMAL_AT_FULL_LOAD, GpuCard, GpuErrors, GpuHealth, MigDevice
from profiles.observed.status import GpuProcess, GpuReading, GpuState
from profiles.observed.xids import meaning

BAR = 20
EVENTS_SHOWN = 8


def gpu_lines(store: Store, key: Key, width: int) -> list[Line]:
    """`key` names it by its uuid; what it does not tell is said once, at the end, with the reason."""
    view = store.nodes[key.node]
    gpu = view.gpus.get(key.name)
    if gpu is None:
        return [entry("State", "gone: its node lists it no more", Tone.DIM)]
    card = next((card for card in view.status.gpu_cards if card.uuid == gpu.uuid), None) if view.status else None
    now_unix_s = store.wall() + view.clock_skew_s
    return [
        *_state(store, view, gpu, now_unix_s, width),
        (),
        *_work(gpu),
        *_heat(gpu),
        *_links(gpu),
        (),
        *sharing_lines(view, gpu, width, now_unix_s),
        *_mig(gpu),
        *_tenants(gpu),
        (),
        *_errors(gpu, now_unix_s, width),
        *_events(store, view, gpu),
        *([(), *_card(view, card, width)] if card else []),
        *_absent(gpu, width),
    ]


def _state(store: Store, view: NodeView, gpu: GpuReading, now_unix_s: float, width: int) -> list[Line]:
    state = gpu_state(view, gpu, store.age_s(view))
    text = state.text.strip()
    if gpu.state is not GpuState.OK and gpu.seen_unix_s is not None:
        text += f"   all below is as of {age(now_unix_s - gpu.seen_unix_s)} ago"
    lines = [entry("State", text, state.tone)]
    if gpu.health_reason is not None:
        tone = Tone.WARN if gpu.health is GpuHealth.DEGRADED else Tone.BAD
        lines += long_entry("Health", f"{SAID[gpu.health]}: {gpu.health_reason.text}", width, tone)
        lines += long_entry("", gpu.health_reason.hint, width, Tone.DIM)
    source = view.status.gpu_source.note if view.status else ""
    if source:
        lines += long_entry("Readings", source, width, Tone.DIM)
    return [*lines, entry("GPU", f"{gpu.name}   {gpu.uuid}")]


def _card(view: NodeView, card: GpuCard, width: int) -> list[Line]:
    capability = card.compute_capability and f"compute capability {card.compute_capability}"
    driver = card.driver and f"driver {card.driver}"
    serial = card.serial and f"serial {card.serial}"
    lines = long_entry("Card", ", ".join(filter(None, (card.architecture, capability, driver, serial))), width)
    numa = "" if card.numa_node is None else f"NUMA node {card.numa_node}"
    cpus = card.cpus and f"CPUs {card.cpus}"
    pcie = "" if card.pcie_generation is None else f"PCIe {card.pcie_generation} ×{card.pcie_width or '?'}"
    links = f"{card.nvlinks} NVLinks" if card.nvlinks else ""
    lines += long_entry("Place", ", ".join(filter(None, (card.bus, numa, cpus, pcie, links))), width)
    modes = [f"compute mode {card.compute_mode.replace('_', ' ')}"] if card.compute_mode else []
    if card.persistence is not None:
        modes.append(f"persistence {'on' if card.persistence else 'off'}")
    lines += long_entry("Modes", ", ".join(modes), width) if modes else []
    near: dict[str, list[int]] = {}
    for peer in card.peers:
        if (other := view.gpus.get(peer.uuid)) is not None:
            near.setdefault(peer.nearness, []).append(other.index)
    peers = "; ".join(f"{how} {', '.join(f'gpu{index}' for index in sorted(at))}" for how, at in near.items())
    return [*lines, *(long_entry("Peers", peers, width) if peers else [])]


def _work(gpu: GpuReading) -> list[Line]:
    def share(label: str, name: str, ratio: float | None) -> Line:
        text = NOT_AVAILABLE if name in gpu.absent else percent(ratio)
        return entry(label, f"{text:>5}  {bar(ratio, BAR) if ratio is not None else ''}".rstrip())

    more = (("SMs active", "sm_active_ratio"), ("occupancy", "sm_occupancy_ratio"), ("tensor cores", "tensor_ratio"),
            ("memory bus", "dram_ratio"), ("switching", "switching_ratio"))  # fmt: skip
    lines = [share("Busy", "busy_ratio", gpu.busy_ratio)]
    if any(getattr(gpu, name) is not None for _, name in more):
        lines += [share(label, name, getattr(gpu, name)) for label, name in more]
    clocks = f"SM {_mhz(gpu.sm_clock_mhz)}   memory {_mhz(gpu.memory_clock_mhz)}"
    return [*lines, entry("Clocks", clocks), _throttling(gpu)]


def _throttling(gpu: GpuReading) -> Line:
    shares = dict.fromkeys(gpu.throttle) | gpu.throttled_ratio
    if not shares:
        return entry("Held back", "by nothing", Tone.DIM)
    text = "   ".join(
        reason.replace("_", " ") + ("" if ratio is None else f" {percent(ratio)}") for reason, ratio in shares.items()
    )
    when = "of the last second" if gpu.throttled_ratio else "now"
    return entry("Held back", f"{text} {when}", Tone.DIM if shares.keys() <= NORMAL_AT_FULL_LOAD else Tone.WARN)


def _heat(gpu: GpuReading) -> list[Line]:
    power = f"{number(gpu.power_w)} of {number(gpu.power_limit_w)} W"
    words = [f"{number(gpu.temperature_c)} °C"]
    if gpu.memory_temperature_c is not None:
        words.append(f"memory {number(gpu.memory_temperature_c)} °C")
    if gpu.margin_c is not None:
        words.append(f"{number(gpu.margin_c)} °C until it slows down")
    return [entry("Power", power), entry("Heat", "   ".join(words))]


def _links(gpu: GpuReading) -> list[Line]:
    pairs = (("PCIe", gpu.pcie_rx_mib_s, gpu.pcie_tx_mib_s), ("NVLink", gpu.nvlink_rx_mib_s, gpu.nvlink_tx_mib_s))
    return [
        entry(label, f"in {number(rx)} MiB/s   out {number(tx)} MiB/s")
        for label, rx, tx in pairs
        if rx is not None or tx is not None
    ]


def _errors(gpu: GpuReading, now_unix_s: float, width: int) -> list[Line]:
    lines: list[Line] = []
    if gpu.errors is not None:
        lines += long_entry("Errors", _counts(gpu.errors), width)
    for xid in sorted(gpu.xids, key=lambda one: one.at_unix_s, reverse=True):
        known = meaning(xid.number)
        times = f", {xid.count} times" if xid.count > 1 else ""
        text = f"{xid.number}: {known.text}{times}, {age(now_unix_s - xid.at_unix_s)} ago — {known.advice}"
        lines += long_entry("XID", text, width, Tone.BAD if known.stops_placing else Tone.WARN)
    return lines


def _counts(errors: GpuErrors) -> str:
    ecc = (("corrected", errors.ecc_corrected, errors.ecc_corrected_ever),
           ("uncorrected", errors.ecc_uncorrected, errors.ecc_uncorrected_ever))  # fmt: skip
    words = [
        f"ECC {kind} {number(now)} ({number(ever)} ever)" for kind, now, ever in ecc if (now, ever) != (None, None)
    ]
    if errors.rows_remapped is not None:
        state = " (failed)" if errors.remap_failed else " (one waits for a reset)" if errors.remap_pending else ""
        words.append(f"rows remapped {errors.rows_remapped}{state}")
    if errors.pcie_replays is not None:
        words.append(f"PCIe replays {number(errors.pcie_replays)}")
    return ", ".join(words)


def _mig(gpu: GpuReading) -> list[Line]:
    if gpu.mig is None or not (gpu.mig.current or gpu.mig.pending):
        return []
    if not gpu.mig.current:
        return [entry("MIG", "on after a reset", Tone.WARN)]
    lines = [entry("MIG", _mig_device(device)) for device in gpu.mig_devices[:1]]
    lines += [entry("", _mig_device(device)) for device in gpu.mig_devices[1:]]
    return lines or [entry("MIG", "on, without instances", Tone.DIM)]


def _mig_device(device: MigDevice) -> str:
    place = (
        "" if device.start is None or device.size is None else f"slots {device.start}–{device.start + device.size - 1}"
    )
    memory = f"{gib(device.memory_used_mib):>6} of {gib(device.memory_total_mib)} GiB"
    busy = f"SMs {percent(device.sm_active_ratio)}"
    return f"{device.profile:<9} {place:<10} {memory}   {busy:<9} GI {device.gi_id} CI {device.ci_id}   {device.uuid}"


def _tenants(gpu: GpuReading) -> list[Line]:
    profiles: Mapping[str, str] = {device.uuid: device.profile for device in gpu.mig_devices}
    lines = [entry("", _tenant(held, profiles), Tone.PLAIN if held.instance else Tone.WARN) for held in gpu.processes]
    lines += [entry("", f"given by the agent of {claim.user} to {claim.instance}") for claim in gpu.claims]
    if not lines:
        return [entry("Processes", "none", Tone.DIM)]
    first = lines[0][1]
    return [entry("Processes", first[0], first[1]), *lines[1:]]


def _tenant(held: GpuProcess, profiles: Mapping[str, str]) -> str:
    who = held.instance or f"▒ {held.name or 'unknown'} (foreign)"
    on = f"   on {profiles.get(held.mig, held.mig)}" if held.mig else ""
    return (
        f"{held.pid:>8}  {who:<22} {held.user or '?':<10} {gib(held.memory_mib):>6} GiB   "
        f"SM {percent(held.busy_ratio):<5}{on}"
    ).rstrip()


def _events(store: Store, view: NodeView, gpu: GpuReading) -> list[Line]:
    found = [event for event in view.events if event.gpu == gpu.uuid][-EVENTS_SHOWN:][::-1]
    lines: list[Line] = []
    for event in found:
        at = moment(event.at_unix_s - view.clock_skew_s, store.wall())
        lines.append(entry("" if lines else "Events", f"{at}  {event.text}", event_tone(event)))
    return lines or [entry("Events", "none since this console connected", Tone.DIM)]


def _absent(gpu: GpuReading, width: int) -> list[Line]:
    """What it does not tell, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in gpu.absent.items():
        if name != "state":
            reasons.setdefault(reason, []).append(_NAMES.get(name, name.rsplit("_", 1)[0].replace("_", " ")))
    lines: list[Line] = [()] if reasons else []
    for reason, names in reasons.items():
        lines += long_entry("Not told", f"{', '.join(names)}: {reason}", width, Tone.DIM)
    return lines


_NAMES = {
    "busy_ratio": "busy", "sm_active_ratio": "SMs active", "dram_ratio": "memory bus", "switching_ratio": "switching",
    "process_busy_ratio": "SM of each process", "margin_c": "margin to slowing down", "recovery": "recovery action",
    "errors": "ECC and remapped rows", "energy_mj": "energy", "throttle": "what holds it back", "mig": "MIG mode",
    "throttled_ratio": "for how long",
    "pcie_tx_mib_s": "PCIe out", "pcie_rx_mib_s": "PCIe in", "nvlink_tx_mib_s": "NVLink out",
    "nvlink_rx_mib_s": "NVLink in", "memory_total_mib": "memory", "processes": "processes",
}  # fmt: skip


def _mhz(clock: int | None) -> str:
    return f"{number(clock)} MHz"
