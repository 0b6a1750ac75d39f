"""`gpuyard fit`: will a model fit on a GPU, and how many sequences beside it? From files alone, unless `--node` or
`--inventory` names nodes to ask for what engines there took.
"""

import argparse
import asyncio
from pathlib import Path

import msgspec

from console.cli.measured import Measured, newest
from console.cli.output import CommandFailed, Exit, Format, print_json, say
from console.render.measured import correction_text
from engines import registry
from engines.abilities import Fits
from engines.devices import Enforcer, Slice
from engines.measured import corrected
from engines.memory import KV_BYTES, Demand, Estimate, estimate
from engines.modelfiles import read
from engines.shape import Shape, UnreadableModel
from profiles.gpu.gputypes import types
from profiles.gpu.memory import headroom_mib
from profiles.observed.status import Reason
from profiles.text.units import size_mib

GIB = 1024
SIMULATED = "simulated"
DEFAULT_CONTEXT = 8192


class Room(msgspec.Struct, frozen=True):
    """What there is for one instance on each GPU."""

    name: str
    gpu_memory_mib: int
    memory_mib: int
    shared: bool


def run(options: argparse.Namespace) -> int:
    room = _room(options.gpu, options.share)
    try:
        shape = read(Path(options.model))
    except UnreadableModel as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_model", error.message, error.hint)) from None
    demand = _demand(options, shape)
    found = estimate(shape, demand)
    measured = asyncio.run(newest(options)) if options.node or options.inventory else None
    if measured:
        found = corrected(found, measured.measurement)
    fits = found.sequences(room.memory_mib)
    if Format(options.output) is Format.JSON:
        print_json("fit", [_item(shape, demand, found, room, fits, measured)])
    else:
        print("\n".join(_lines(shape, demand, found, room, fits, measured)))
    return _verdict(found, room, demand, fits)


def _room(gpu: str, share: str | None) -> Room:
    known = {name.lower(): one.memory_mib for name, one in types().items()}
    memory_mib = known.get(gpu.lower()) or size_mib(gpu)
    if memory_mib is None:
        hint = f"known: {', '.join(types())}; or its memory, `80GiB`"
        raise CommandFailed(Exit.USAGE, Reason("bad_gpu", f"no GPU type `{gpu}` is known", hint))
    usable_mib = memory_mib - headroom_mib(memory_mib)
    if share is None:
        return Room(gpu, memory_mib, usable_mib, shared=False)
    share_mib = size_mib(share)
    if share_mib is None:
        raise CommandFailed(Exit.USAGE, Reason("bad_share", f"`{share}` is no size", "write it like `20GiB`"))
    if share_mib > usable_mib:
        text = f"{_gib(share_mib)} is more than a {gpu} can give ({_gib(usable_mib)})"
        raise CommandFailed(Exit.USAGE, Reason("bad_share", text, "ask for less, or for a larger GPU"))
    return Room(gpu, memory_mib, share_mib, shared=True)


def _demand(options: argparse.Namespace, shape: Shape) -> Demand:
    context = options.context or min(shape.context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    if shape.context is not None and context > shape.context:
        say(f"the model was made for {shape.context:,} tokens; engines refuse a longer context unless told otherwise")
    return Demand(
        context=context,
        sequences=options.sequences or 1,
        batched_tokens=options.batched_tokens,
        kv_bytes=KV_BYTES[options.kv_dtype] if options.kv_dtype else None,
        tensor_parallel=options.gpus,
        graphs=not options.no_graphs,
    )


def _lines(
    shape: Shape, demand: Demand, found: Estimate, room: Room, fits: int, measured: Measured | None
) -> list[str]:
    whole = "part" if room.shared else "all but the headroom"
    weighed = "weighed" if shape.weights_counted else "worked out, no weight files there"
    rows = [
        ("weights", found.weights_mib, weighed),
        ("context", found.context_mib, "assumed: CUDA and kernels of one process"),
        ("communication", found.communication_mib, "assumed: NCCL"),
        ("activations", found.activations_mib, f"{demand.batched_tokens:,} tokens at once"),
        ("graphs", found.graphs_mib, "assumed"),
    ]
    if measured:
        rows.append(("correction", found.correction_mib, correction_text(measured.measurement, measured.node)))
    left_mib = room.memory_mib - found.fixed_mib
    lines = [
        f"{shape.architecture}, {shape.layers} layers, {found.kv_token_bytes / 1024:g} KiB a token on each GPU",
        "",
    ]
    lines += [f"  {name:<14} {_gib(mib):>10}  {why}" for name, mib, why in rows if mib or name == "correction"]
    lines += [
        f"  {'left for KV':<14} {_gib(left_mib):>10}  of {_gib(room.memory_mib)}, {whole} of a {room.name}",
        "",
        f"{fits:,} sequences of {demand.context:,} tokens fit" if found.sequence_bytes else "no key or value is kept",
    ]
    options = engine_options(shape, demand, room, fits)
    return [*lines, *([""] if options else []), *(f"  {name:<14} {text}" for name, text in options.items())]


def engine_options(shape: Shape, demand: Demand, room: Room, fits: int) -> dict[str, str]:
    """How each engine that runs such files is told of its part and of the load, in its own words."""
    if shape.gguf:
        return {"llama_cpp": f"ctx_size: {demand.context * fits}, parallel: {fits}"} if fits else {}
    part = Slice(gpu_uuid="", gpu_index=0, memory_mib=room.memory_mib, gpu_memory_mib=room.gpu_memory_mib,
                 memory_enforcer=Enforcer.ENGINE_FLAG)  # fmt: skip
    free_mib = {"": room.gpu_memory_mib - headroom_mib(room.gpu_memory_mib)}
    found = {}
    for name in registry.names():
        engine = registry.get(name)
        if room.shared and name != SIMULATED and isinstance(engine, Fits):
            found[name] = f"{engine.memory_options[0]}: {engine.fit((part,), free_mib):g}"
    return found


def _verdict(found: Estimate, room: Room, demand: Demand, fits: int) -> int:
    if fits >= demand.sequences:
        return Exit.DONE
    missing_mib = found.needed_mib(demand.sequences) - room.memory_mib
    many = "one sequence" if demand.sequences == 1 else f"{demand.sequences:,} sequences"
    hint = "a larger share or GPU, more GPUs (--gpus), a shorter --context, or a smaller --kv-dtype"
    raise CommandFailed(Exit.FAILED, Reason("does_not_fit", f"{_gib(missing_mib)} too little for {many}", hint))


def _item(
    shape: Shape, demand: Demand, found: Estimate, room: Room, fits: int, measured: Measured | None
) -> dict[str, object]:
    return {
        "architecture": shape.architecture,
        "weights_counted": shape.weights_counted,
        **msgspec.to_builtins(found),
        "fixed_mib": found.fixed_mib,
        "memory_mib": room.memory_mib,
        "sequences": fits,
        "options": engine_options(shape, demand, room, fits),
        "tensor_parallel": demand.tensor_parallel,
        "corrected_by": msgspec.to_builtins(measured),
    }


def _gib(mib: int) -> str:
    return f"{mib / GIB:,.1f} GiB"
