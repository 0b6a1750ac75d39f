"""What the demo runs: a profile that fits its nodes, as the YAML that a person would write."""

from collections.abc import Sequence
from dataclasses import dataclass, field

PROFILE = "demo"


@dataclass(frozen=True)
class DemoService:
    """`width` GPUs for each replica, or the `part` of one, in a profile's words. A `shares` service sits on the GPU of
    another one.

    `requests_per_s` is what the traffic asks of all its replicas together.
    """

    name: str
    model: str
    requests_per_s: float
    prompt_tokens: int
    answer_tokens: int
    options: dict[str, float]
    slo: str
    width: int = 1
    replicas: int = 1
    part: str = ""
    shares: str = ""
    devices: list[str] = field(default_factory=list, compare=False)


def services() -> list[DemoService]:
    """In the order in which GPUs are handed out. Sizes are MiB per GPU; times make answers of a few seconds."""
    return [
        DemoService("chat-8b", "meta-llama/Llama-3.1-8B-Instruct", 3.0, 400, 60, replicas=2,
                    slo="ttft_p95: 500ms, itl_p95: 200ms",
                    options=_options(2.0, 16_000, 40_000, decode_base_ms=30)),
        DemoService("embed", "BAAI/bge-m3", 4.0, 300, 1, part="memory: 12GiB", slo="ttft_p95: 250ms",
                    options=_small(1.0, 20)),
        DemoService("rerank", "BAAI/bge-reranker-v2-m3", 3.0, 500, 1, shares="embed",
                    part="memory: 12GiB, limit: 16GiB", slo="ttft_p95: 250ms",
                    options=_small(1.2, 20)),
        DemoService("guard", "meta-llama/Llama-Guard-3-1B", 1.0, 200, 2, shares="embed",
                    part="portion: 0.25", slo="ttft_p95: 250ms", options=_small(1.5, 12)),
        DemoService("chat-70b", "meta-llama/Llama-3.3-70B-Instruct", 1.6, 800, 60, width=4, replicas=2,
                    slo="ttft_p95: 2500ms, itl_p95: 400ms",
                    options=_options(4.0, 35_000, 32_000, decode_base_ms=45, prefill_tok_s=5000)),
        DemoService("code-32b", "Qwen/Qwen2.5-Coder-32B-Instruct", 0.8, 1500, 90, width=2,
                    slo="ttft_p95: 2500ms",
                    options=_options(3.0, 33_000, 30_000, decode_base_ms=40, prefill_tok_s=6000)),
        DemoService("summarize", "Qwen/Qwen3-4B", 1.0, 600, 30, part="memory: 32GiB, compute: 50%, enforce: mps",
                    slo="ttft_p95: 1s", options=_small(2.0, 12)),
        DemoService("draft", "Qwen/Qwen3-0.6B", 2.0, 200, 20, shares="summarize",
                    part="memory: 12GiB, compute: 25%, enforce: mps", slo="ttft_p95: 1s", options=_small(1.0, 5)),
    ]  # fmt: skip


def _small(load_seconds: float, decode_base_ms: float) -> dict[str, float]:
    """Of a model that has its cache in what is left of its part."""
    return {"load_seconds": load_seconds, "weights_mib": 2_500, "decode_base_ms": decode_base_ms}


def _options(load_seconds: float, weights_mib: int, kv_cache_mib: int, **more: float) -> dict[str, float]:
    return {"load_seconds": load_seconds, "weights_mib": weights_mib, "kv_cache_mib": kv_cache_mib, **more}


def fitted(nodes: Sequence[str], gpus: int) -> list[DemoService]:
    """The services with their devices: each replica on the node with the most free GPUs.

    What does not fit is left out.
    """
    free = {node: list(range(gpus)) for node in nodes}
    placed: dict[str, DemoService] = {}
    for service in services():
        if service.shares:
            if service.shares in placed:
                service.devices.extend(placed[service.shares].devices[:1])
        else:
            for _ in range(service.replicas):
                node = max(free, key=lambda name: (len(free[name]), -list(free).index(name)))
                if len(free[node]) < service.width:
                    break
                service.devices.extend(f"{node}/{free[node].pop(0)}" for _ in range(service.width))
        if service.devices:
            placed[service.name] = service
    return list(placed.values())


def profile_text(placed: Sequence[DemoService]) -> str:
    lines = ["gpuyard: 1", f"profile: {PROFILE}", "description: What the demo runs", "owner: demo",
             "defaults: {engine: simulated}", "services:"]  # fmt: skip
    for service in placed:
        options = ", ".join(f"{key}: {value:g}" for key, value in service.options.items())
        lines += [
            f"  {service.name}:",
            f"    model: {service.model}",
            f"    replicas: {len(service.devices) // service.width}",
            f"    gpus: {{devices: [{', '.join(service.devices)}]{f', {service.part}' if service.part else ''}}}",
            f"    options: {{{options}}}",
            f"    slo: {{{service.slo}, errors: 1%, min_ready: 1}}",
        ]
    return "\n".join(lines) + "\n"
