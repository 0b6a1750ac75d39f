"""MPS for simulated GPUs: a program of NVIDIA's name that keeps a list of clients and controls nothing."""

import shlex
import sys
from pathlib import Path

from engines.simulated_device import DIRECTORY_VARIABLE

PROGRAM = "nvidia-cuda-mps-control"


def install(directory: Path, simulated: Path | None = None) -> Path:
    """Put it into `directory`, for the PATH of an agent. It ends with the demo of the GPUs in `simulated`."""
    directory.mkdir(exist_ok=True)
    program = directory / PROGRAM
    of = f"{DIRECTORY_VARIABLE}={shlex.quote(str(simulated))} " if simulated else ""
    program.write_text(f'#!/bin/sh\n{of}exec {sys.executable} -P -m engines.simulated.mpscontrol "$@"\n')
    program.chmod(0o755)
    return directory
