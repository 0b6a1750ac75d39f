"""The reader process: one frame a second on stdout until stdin closes, which it does when the agent goes.

Whatever comes on stdin asks for everything anew, at once.
"""

import os
import select
import sys
import time
from pathlib import Path

import msgspec

from agents.gpus.source import Frame, NoGpus, Source
from engines.simulated_device import NVML_FILE
from profiles.observed.status import GpuSource, GpuSourceKind

PERIOD_S = 1.0
ASKED_BYTES = 4096

FAKE = GpuSource(GpuSourceKind.SIMULATED, "SIMULATED: read through NVML from a fake driver, no real GPU is read")


def main(arguments: list[str]) -> int:
    """`--simulated DIR`, or nothing for NVML. Without GPUs: one frame that says why, and the end."""
    encoder = msgspec.json.Encoder()
    try:
        source = open_source(arguments)
        while True:
            began_s = time.monotonic()
            write(encoder.encode(source.read()) + b"\n")
            left_s = max(0.0, PERIOD_S - (time.monotonic() - began_s))
            if select.select([sys.stdin], [], [], left_s)[0]:
                if not os.read(0, ASKED_BYTES):
                    return 0
                source.look_again()
    except NoGpus as error:
        write(encoder.encode(Frame(GpuSource(GpuSourceKind.NONE, str(error)))) + b"\n")
        return 0
    except (BrokenPipeError, KeyboardInterrupt):
        return 0


def open_source(arguments: list[str]) -> Source:
    """Imports only what is asked for. Raises NoGpus."""
    directory = Path(arguments[1]) if arguments[:1] == ["--simulated"] else None
    if directory is None or (directory / NVML_FILE).exists():
        from agents.gpus.nvidia import REAL, Nvidia

        return Nvidia(REAL if directory is None else FAKE)
    from agents.gpus.simulated import Simulated

    return Simulated(directory)


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
