"""What one simulated engine is like: its command line."""

import argparse
import os

import msgspec

from engines.simulated_device import DIRECTORY_VARIABLE
from engines.simulated_options import SimulatedOptions


class Settings(SimulatedOptions, frozen=True, kw_only=True):
    """The options and the launch; `gpus` are UUIDs."""

    model: str
    port: int
    served_model_name: str = ""
    instance: str | None = None
    host: str = "127.0.0.1"
    gpus: tuple[str, ...] = ()
    directory: str | None = None

    @property
    def name(self) -> str:
        return self.served_model_name or self.model


def read(arguments: list[str]) -> Settings:
    """Settings from flags, CUDA_VISIBLE_DEVICES and the simulated directory's variable; exits 2 on a bad flag."""
    parser = argparse.ArgumentParser(prog="python -m engines.simulated", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", required=True, type=int)
    for name in ("served-model-name", "instance", "host"):
        parser.add_argument(f"--{name}")
    for option in msgspec.structs.fields(SimulatedOptions):
        flag = f"--{option.name.replace('_', '-')}"
        if option.type is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        elif option.type == tuple[str, ...]:
            parser.add_argument(flag, nargs="+", type=str)
        else:
            parser.add_argument(flag, type=int if option.type in (int, int | None) else float)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    given["gpus"] = tuple(uuid for uuid in visible.split(",") if uuid)
    return Settings(**given, directory=os.environ.get(DIRECTORY_VARIABLE) or None)
