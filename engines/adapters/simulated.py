"""The simulated engine: a real HTTP server with a model of batching inside. It speaks vLLM's metrics and log lines."""

import os
import sys
from collections.abc import Mapping, Sequence

import msgspec

from engines.abilities import Liveness, SignalStep, one_token
from engines.adapters.vllm import ENGINE as VLLM
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.control import Control, LiveStep
from engines.devices import Slice
from engines.fitting import ratio_of_gpu
from engines.launching import flags, visible_devices
from engines.simulated_device import DIRECTORY_VARIABLE
from engines.simulated_options import DIALS, SimulatedOptions
from engines.vllm_calls import calls, lora_steps
from engines.words import Words


class Options(SimulatedOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those of engines.simulated_options, and which Python runs it."""

    program: str = sys.executable
    """A Python that has gpuyard."""


class Simulated:
    """Drives `python -m engines.simulated`."""

    name = "simulated"
    served_name_option = "served_model_name"
    Options = Options
    absent = {
        "prefix_cache_queries": "the simulated engine has no prefix cache",
        "prefix_cache_hits": "the simulated engine has no prefix cache",
    }
    live = VLLM.live
    words = Words(
        begins=(("-m", "engines.simulated"),),
        served=frozenset({"--served-model-name"}),
        ours={"--instance": 1},
    )
    memory_words = VLLM.memory_words
    dials = DIALS

    memory_options = ("gpu_memory_utilization",)

    def fit(self, slices: Sequence[Slice], free_mib: Mapping[str, int]) -> float:
        return ratio_of_gpu(slices, overhead_mib=0)  # it has no context

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        values = {name: value for name, value in msgspec.structs.asdict(options).items() if name != "program"}
        directory = os.environ.get(DIRECTORY_VARIABLE)
        return Command(
            argv=(
                options.program,
                "-m",
                "engines.simulated",
                *flags({"model": launch.model, "served_model_name": launch.served_name}),
                *flags({"instance": launch.instance, "host": launch.host, "port": launch.port}),
                *flags(values),
            ),
            env={**visible_devices(launch.slices), **({DIRECTORY_VARIABLE: directory} if directory else {})},
        )

    def ready(self, launch: Launch) -> Probe:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        return Probe(ready_path="/health", metrics_path="/metrics", load_deadline_s=60.0 + 3 * options.load_seconds)

    def sample(self, metrics: str) -> EngineSample:
        return VLLM.sample(metrics)

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        return (SignalStep("SIGTERM", options.shutdown_timeout + 10.0),)

    def control(self, options: msgspec.Struct) -> Control:
        given = msgspec.convert(options, Options, from_attributes=True)
        return calls(sleeps=given.enable_sleep_mode, dev_mode=True, loras=given.enable_lora)

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        return lora_steps(old, new)

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness(one_token=one_token(launch))

    def progress(self, line: str) -> LoadProgress | None:
        return VLLM.progress(line)


ENGINE = Simulated()
