"""`python -m agents.runtimes`: a Job on stdin, Said a line on stdout; ends with the agent, whatever runs below it."""

import os
import signal
import subprocess
import sys
import threading

import msgspec

from agents.runtimes.job import Job, Said


def make(job: Job) -> int:
    """The exit code of what failed; 0 once the environment is made and filled."""
    python = f"{job.directory}/bin/python"
    install = [
        python, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
        "--no-warn-script-location",
    ]  # fmt: skip
    source = ["--no-index", "--find-links", job.wheels] if job.wheels else []
    return _step("making the environment", [sys.executable, "-m", "venv", job.directory]) or _step(
        f"installing {job.requirement}", [*install, *source, job.requirement]
    )


def _step(step: str, argv: list[str]) -> int:
    say(Said(step=step))
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            say(Said(line=line.rstrip()[:1000]))
    return child.returncode


def say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def _orphaned() -> None:
    """Whoever began us is gone: so are we, and the installer."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    told = msgspec.json.decode(os.read(0, 65536), type=Job)
    threading.Thread(target=_orphaned, daemon=True).start()
    sys.exit(make(told))
