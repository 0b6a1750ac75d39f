"""The simulated control program of MPS under NVIDIA's name, and the switches that make it misbehave."""

import json
import sys
from pathlib import Path

from agents.fractions.mpscontrol import PROGRAM
from agents.fractions.mpsdaemon import name_of
from agents.layout import Layout


def install(directory: Path) -> Path:
    """A directory for the PATH with the program in it."""
    directory.mkdir(exist_ok=True)
    program = directory / PROGRAM
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m engines.simulated.mpscontrol "$@"\n')
    program.chmod(0o755)
    return directory


def switch(layout: Layout, gpu_uuid: str, **values: object) -> None:
    """As engines/simulated/mpscontrol.py lists them, for the daemon of this GPU; without any, it behaves."""
    file = layout.instance(name_of(gpu_uuid)).directory / "mps" / "switches.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
