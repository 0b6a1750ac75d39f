"""The words of `gpuyard fit`, `smoke`, `bench` and `flush-cache`."""

import argparse

_NAMES = "`chat/0`, `chat` for all its replicas, or `NODE:chat/0`"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "will a model fit on a GPU, and how many sequences beside it?"
    fit = verbs.add_parser("fit", help=text, description=text, parents=[common])
    fit.set_defaults(module="console.cli.fit", function="run", verb="fit")
    fit.add_argument("model", metavar="MODEL", help="its directory with config.json, or a .gguf file")
    fit.add_argument("--gpu", metavar="TYPE", required=True, help="`H100`, or its memory as `80GiB`")
    fit.add_argument("--share", metavar="SIZE", help="the part of the GPU that it gets, `20GiB`; left out, all")
    fit.add_argument("--gpus", metavar="N", type=positive, default=1, help="split over so many, tensor parallel")
    fit.add_argument("--context", metavar="TOKENS", type=positive, help="of one sequence, 8192 at most if left out")
    fit.add_argument("--sequences", metavar="N", type=positive, help="fail unless so many fit at once")
    fit.add_argument("--batched-tokens", metavar="N", type=positive, default=8192, help="that pass through at once")
    fit.add_argument("--kv-dtype", metavar="TYPE", type=_kv_dtype, help="of keys and values, as the engines call it")
    text = "correct the estimate by what engines took there; with --inventory alone, on any of its nodes"
    fit.add_argument("--node", metavar="N", help=text)
    fit.add_argument("--no-graphs", action="store_true", help="the engine captures no CUDA graphs")

    text = "one streamed request to a ready engine, from its own node"
    smoke = verbs.add_parser("smoke", help=text, description=text, parents=[common])
    smoke.set_defaults(module="console.cli.trial", function="smoke", verb="smoke")
    smoke.add_argument("instance", metavar="INSTANCE", help="`chat/0`, or `NODE:chat/0`")
    text = "a ramp of requests to a ready engine, from its own node: rates and latencies by concurrency"
    bench = verbs.add_parser("bench", help=text, description=text, parents=[common])
    bench.set_defaults(module="console.cli.trial", function="bench", verb="bench")
    bench.add_argument("instance", metavar="INSTANCE", help="`chat/0`, or `NODE:chat/0`")
    bench.add_argument("--concurrency", metavar="N,N,…", type=_levels, default=(1, 4, 16), help="1,4,16 if left out")
    bench.add_argument("--requests", metavar="N", type=positive, default=32, help="at each level; 32 if left out")
    bench.add_argument("--prompt-tokens", metavar="N", type=positive, default=128, help="of each, about")
    bench.add_argument("--answer-tokens", metavar="N", type=positive, default=64, help="of each")
    bench.add_argument("--list", action="store_true", help="print the trials that the node has kept, and try nothing")

    text = "have ready engines drop what they keep of earlier prompts; for those that can"
    flush = verbs.add_parser("flush-cache", help=text, description=text, parents=[common])
    flush.set_defaults(module="console.cli.control", function="flush_cache", verb="flush-cache")
    flush.add_argument("names", metavar="NAME", nargs="+", help=_NAMES)


def positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 on")
    return value


def _kv_dtype(text: str) -> str | None:
    from engines.memory import KV_BYTES

    if text == "auto":
        return None
    if text not in KV_BYTES:
        raise argparse.ArgumentTypeError(f"`{text}` is not known (auto, {', '.join(KV_BYTES)})")
    return text


def _levels(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))
