"""Compile the fake driver. Its header is NVIDIA's own, from the package nvidia-nvml-dev of the development set."""

import importlib.metadata
import subprocess
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent
NAME = "libnvidia-ml.so.1"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden")
# No soname: a client finds the file by its name, and a test that loads it by its path leaves that name alone.
LINKING = ("-shared", "-pthread", "-Wl,-z,defs")


def build(directory: Path, without: Sequence[str] = ()) -> Path:
    """The library in `directory`, which is to be a client's LD_LIBRARY_PATH. `without` are symbols that it lacks."""
    library = directory / NAME
    script = directory / "exports"
    script.write_text("{ local: " + " ".join(f"{name};" for name in without) + " };" if without else "{};")
    sources = sorted(map(str, SOURCES.glob("*.c")))
    command = ["gcc", *FLAGS, "-isystem", str(header().parent), *sources, *LINKING]
    subprocess.run(
        [*command, f"-Wl,--version-script={script}", "-o", str(library)], check=True, capture_output=True, text=True
    )
    return library


def header() -> Path:
    """nvml.h of the installed package, which is versioned as the CUDA toolkit is. Raises FileNotFoundError."""
    try:
        files = importlib.metadata.files("nvidia-nvml-dev") or []
        return next(Path(str(file.locate())) for file in files if file.name == "nvml.h")
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        raise FileNotFoundError("nvml.h is missing: set up the development environment again (make test)") from None


def exports(library: Path) -> set[str]:
    listed = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True)
    return {line.split()[-1] for line in listed.stdout.splitlines()}
