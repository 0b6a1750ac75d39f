"""`gpuyard demo`: a cluster on this machine, and the console on it.

this process ──stdin pipe──► cluster        the pipe closes with us, however we end, and the cluster goes
             └─ console on its inventory    or, headless, nothing but waiting
"""

import argparse
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import msgspec

from console.demo.announcement import Announcement
from console.demo.child import python

START_LIMIT_S = 30.0
END_LIMIT_S = 15.0
SCENARIOS = (
    "calm", "contention", "traffic-step", "xid", "gpu-lost", "node-loss", "slow-node", "hung-engine", "orphan",
)  # fmt: skip
MAX_NODES = 32
MAX_GPUS = 16

REFUSED, INTERRUPTED = 1, 130

P = TypeVar("P", bound=argparse.ArgumentParser)


def add_parser(subparsers: "argparse._SubParsersAction[P]") -> None:
    parser = subparsers.add_parser(
        "demo", help="a whole cluster on this machine, with simulated GPUs and engines",
        description="Start a cluster on loopback: a real ssh server, real agents, simulated GPUs and engines under "
        "traffic. It ends with the console and leaves nothing behind.",
    )  # fmt: skip
    parser.add_argument("--nodes", type=_between(1, MAX_NODES), default=3, help=f"1 to {MAX_NODES} (%(default)s)")
    parser.add_argument("--gpus", type=_between(1, MAX_GPUS), default=8, help=f"a node, 1 to {MAX_GPUS} (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same cluster and arrivals")
    parser.add_argument("--scenario", choices=SCENARIOS, default="calm", help="what happens (%(default)s)")
    text = "read the GPUs through NVML from the fake driver of the tests, in a checkout with gcc"
    parser.add_argument("--nvml", choices=("fake",), help=text)
    parser.add_argument("--headless", action="store_true", help="print the inventory's path and stay until interrupted")


def run(args: argparse.Namespace) -> int:
    """The exit code: the console's, or, headless, 0 after SIGTERM or SIGHUP and 130 after ctrl-c."""
    try:
        with _signals_end_us() if args.headless else nullcontext():
            return _run(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _Ended:
        return 0


def _run(args: argparse.Namespace) -> int:
    with _cluster(args) as process:
        try:
            inventory = _inventory(process)
        except _NoCluster as error:
            print(f"gpuyard: the demo did not start: {error}", file=sys.stderr)
            return REFUSED
        if not args.headless:
            from console.app import run as run_console
            from console.contexts import Opened
            from console.inventory import load

            return run_console(Opened(load(inventory), inventory))
        print(inventory, flush=True)
        process.wait()
        print("gpuyard: the demo's cluster ended", file=sys.stderr)
        return REFUSED


class _NoCluster(Exception):
    pass


class _Ended(Exception):
    """Asked to end by a signal."""


@contextmanager
def _cluster(args: argparse.Namespace) -> Iterator["subprocess.Popen[bytes]"]:
    """The cluster's process; at the end of the block it has gone, with all that it started."""
    argv = python(
        "console.demo.cluster", "--nodes", args.nodes, "--gpus", args.gpus, "--seed", args.seed,
        "--scenario", args.scenario, *(("--nvml",) if args.nvml else ()),
    )  # fmt: skip
    # A session of its own: ctrl-c and hang-ups of our terminal are ours, its end is that of the pipe.
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()  # what it started dies with it
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _inventory(process: "subprocess.Popen[bytes]") -> Path:
    """What the cluster announces. Raises _NoCluster."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_LIMIT_S):
            raise _NoCluster(f"nothing was heard of it for {START_LIMIT_S:g} s")
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise _NoCluster(process.stderr.read().decode(errors="replace").strip()[-2000:])
    announcement = msgspec.json.decode(line, type=Announcement)
    if announcement.error:
        raise _NoCluster(announcement.error)
    return Path(announcement.inventory)


@contextmanager
def _signals_end_us() -> Iterator[None]:
    def raise_ended(number: int, frame: object) -> None:
        raise _Ended

    before = {number: signal.signal(number, raise_ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text} is no whole number") from None
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{number} is not between {low} and {high}")
        return number

    return parse
