"""The switches that make the simulated control program of MPS misbehave."""

import json

from agents.fractions.mpsdaemon import name_of
from agents.layout import Layout


def switch(layout: Layout, gpu_uuid: str, **values: object) -> None:
    """As engines/simulated/mpscontrol.py lists them, for the daemon of this GPU; without any, it behaves."""
    file = layout.instance(name_of(gpu_uuid)).directory / "mps" / "switches.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
