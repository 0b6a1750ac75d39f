"""F34, F56–F58: state files that are damaged in every way, and disks that refuse."""

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from agents.layout import Layout
from console.remote.errors import RequestFailed
from profiles.desired.model import DesiredInstance, Wanted
from profiles.observed.status import Phase
from tests.faults.disks import fill, read_only, small_disk
from tests.faults.invariants import broken, numbering, untold
from tests.faults.node import FaultNode
from tests.faults.node import node as make
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

Refusal = Callable[[FaultNode], AbstractContextManager[object]]


@contextmanager
def full(node: FaultNode) -> Iterator[None]:
    filler = fill(node.state)
    yield
    filler.unlink()


def mounted_read_only(node: FaultNode) -> AbstractContextManager[None]:
    return read_only(node.state)


@contextmanager
def no_file_may_grow(node: FaultNode) -> Iterator[None]:
    """RLIMIT_FSIZE 0: every write fails, with SIGXFSZ ignored as Python does."""
    assert node.agent is not None
    before = resource.prlimit(node.agent.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.agent.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    yield
    resource.prlimit(node.agent.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def on_a_small_disk() -> Iterator[FaultNode]:
    with make() as node, small_disk(node.state):
        try:
            yield node
        finally:
            node.clean()


@pytest.mark.parametrize("refusal", [full, mounted_read_only, no_file_may_grow], ids=lambda one: one.__name__)
async def test_f56_f57_a_disk_that_refuses_refuses_changes_and_nothing_else(refusal: Refusal) -> None:
    with on_a_small_disk() as node:
        node.start()
        async with watching(node.layout.socket) as watcher:
            await watcher.edit(lambda _: {name: node.spec(name) for name in ("a/0", "b/0")})
            kept = {name: (await watcher.until_phase(name)).pid or 0 for name in ("a/0", "b/0")}
            with refusal(node):
                await watcher.until(lambda: "disk" in troubles(watcher), "consoles see why changes are refused")
                with pytest.raises(RequestFailed) as refused:
                    await watcher.edit(lambda now: now | {"c/0": node.spec("c/0")})
                assert refused.value.reason.code == "unavailable"
                assert "refused" in refused.value.reason.text
                assert broken(node, watcher, kept) == []
                events = len(watcher.events)
                await watcher.edit(lambda now: now | {"a/0": node.spec("a/0", wanted=Wanted.STOPPED)})
                await watcher.until_phase("a/0", Phase.STOPPED)
                assert "a/0" not in node.engines()
            await watcher.until(lambda: not troubles(watcher), "it is over by itself")
            await watcher.until(lambda: len(watcher.events) > events, "what was held is told")
            await watcher.edit(lambda now: now | {"c/0": node.spec("c/0")})
            await watcher.until_phase("c/0")
            assert broken(node, watcher, {"b/0": kept["b/0"]}) == []
            node.kill()
            await watcher.restarted(node)
            assert (await watcher.until_phase("a/0", Phase.STOPPED)).pid is None
            assert (await watcher.until_phase("b/0")).pid == kept["b/0"]
            assert untold(node, watcher.events) == []


def troubles(watcher: Watcher) -> list[str]:
    return [one.code for one in watcher.troubles]


async def test_f56_a_start_on_a_full_disk_waits_and_then_succeeds() -> None:
    with on_a_small_disk() as node:
        node.start()
        async with watching(node.layout.socket) as watcher:
            await watcher.edit(lambda _: {"a/0": node.spec("a/0")})
            first = await watcher.until_phase("a/0")
            with full(node):
                os.kill(first.pid or 0, signal.SIGKILL)
                await watcher.until_phase("a/0", Phase.BACKOFF, Phase.LOST)
                await watcher.until(lambda: refused_start(watcher), "a start is refused by the disk")
            second = await watcher.until_phase("a/0")
            assert second.pid != first.pid
            await watcher.until(lambda: untold(node, watcher.events) == [], "the end is told of")
            assert broken(node, watcher) == []


def refused_start(watcher: Watcher) -> bool:
    reason = watcher.instances["a/0"].reason
    return reason is not None and "No space left" in reason.text


Damage = Callable[[Path], object]


def gone(path: Path) -> None:
    path.unlink()


def cut(at: int) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[:at])


def flipped(at: int) -> Damage:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at % len(content)] ^= 0x10
        path.write_bytes(content)

    return damage


DAMAGES: dict[str, Damage] = {
    "gone": gone,
    "empty": cut(0),
    **{f"cut at {at}": cut(at) for at in range(512, 2048, 512)},
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2]),
    **{f"flipped at {at}": flipped(at) for at in (0, 12, 25, 60, 131, 277, 401)},
    "zeros": lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
}


def state_file(layout: Layout, name: str) -> Path:
    return layout.desired if name == "desired.json" else layout.instance("a/0").directory / name


async def settled(node: FaultNode, watcher: Watcher) -> tuple[dict[str, int], dict[str, DesiredInstance]]:
    """a/0 and b/0 ready, of which a/0 has a file of each kind."""
    await watcher.edit(lambda _: {"a/0": node.spec("a/0")})
    await watcher.until_phase("a/0")
    await watcher.edit(lambda now: now | {"b/0": node.spec("b/0")})
    kept = {name: (await watcher.until_phase(name)).pid or 0 for name in ("a/0", "b/0")}
    return kept, watcher.desired.instances


@pytest.mark.parametrize("file", ["desired.json", "spec.json", "handle.json"])
async def test_f34_damaged_state_loses_and_doubles_no_engine(node: FaultNode, file: str) -> None:
    """One node after the other damage, the engines go on all the time."""
    node.start()
    async with watching(node.layout.socket) as watcher:
        kept, wanted = await settled(node, watcher)
        for what, damage in DAMAGES.items():
            node.kill()
            damage(state_file(node.layout, file))
            await watcher.restarted(node)
            for name in kept:
                found = await watcher.until_phase(name)
                assert found.pid == kept[name], f"{file} {what}: {found}"
            assert broken(node, watcher, kept) == [], f"{file} {what}"
            assert watcher.desired.instances == wanted, f"{file} {what}"
        assert {event.code for event in watcher.events} >= {"state_damaged"}


@pytest.mark.parametrize("what", list(DAMAGES))
async def test_f34_a_damaged_record_of_an_end_is_an_unknown_end(node: FaultNode, watcher: Watcher, what: str) -> None:
    kept, _ = await settled(node, watcher)
    node.kill()
    os.kill(kept["a/0"], signal.SIGKILL)
    record = state_file(node.layout, "exit.json")
    await watcher.until(record.exists, "the shim writes how it ended")
    DAMAGES[what](record)
    await watcher.restarted(node)
    again = await watcher.until_phase("a/0")
    assert again.pid != kept["a/0"]
    assert broken(node, watcher, {"b/0": kept["b/0"]}) == []
    assert untold(node, watcher.events) == []


async def test_f35_after_a_reboot_no_pid_of_before_is_touched(node: FaultNode, watcher: Watcher) -> None:
    kept, _ = await settled(node, watcher)
    node.kill()
    for pid in kept.values():
        os.kill(pid, signal.SIGKILL)
    await watcher.until(lambda: not node.engines(), "the machine went down")
    stranger = await asyncio.create_subprocess_exec("sleep", "600")
    for name in kept:
        paths = node.layout.instance(name)
        await watcher.until(paths.exit.exists, "the shim is gone")
        paths.exit.unlink()
        handle = json.loads(paths.handle.read_bytes())["data"]
        handle |= {"boot_id": "another", "pid": stranger.pid, "shim_pid": stranger.pid}
        paths.handle.write_text(json.dumps({"version": 1, "data": handle}))
    await watcher.restarted(node)
    for name, pid in kept.items():
        assert (await watcher.until_phase(name)).pid not in (pid, stranger.pid)
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()
    assert broken(node, watcher) == []


async def test_f58_events_cut_anywhere_are_read_up_to_there(node: FaultNode, watcher: Watcher) -> None:
    await settled(node, watcher)
    node.kill(signal.SIGTERM)
    whole = node.layout.events.read_bytes()
    lines = whole.splitlines(keepends=True)
    ends = [len(b"".join(lines[:at])) for at in range(len(lines) + 1)]
    for length in sorted({*ends, *(end + 20 for end in ends[:-1]), *(end - 1 for end in ends[1:])}):
        node.layout.events.write_bytes(whole[:length])
        node.start()
        node.kill(signal.SIGTERM)
        assert numbering(node.layout.events) == [], f"cut at {length} of {len(whole)}"
        kept_lines = node.layout.events.read_bytes().splitlines(keepends=True)
        complete = sum(end <= length for end in ends) - 1
        assert kept_lines[:complete] == lines[:complete]
