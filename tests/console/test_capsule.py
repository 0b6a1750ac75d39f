"""A capsule: what a real agent said, written to a file and seen again; what does not get into it; what is refused."""

import json
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.wire import DesiredSet, History, ReadHistory, ReadLog, RevisionDocument, SetDesired
from console.app import Yard
from console.capsule import pack
from console.capsule.app import ReplayYard
from console.capsule.gather import gather
from console.capsule.pack import Capsule, NodeCapsule
from console.capsule.replay import Replay
from console.remote.errors import RequestFailed
from console.screens.instance import InstanceScreen
from console.screens.session import FleetDoor
from console.store import Key, Kind, NodeState
from engines.simulated_device import DEVICES_FILE, SimulatedGpu, encode_devices
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.observed.history import HistoryKind
from profiles.observed.status import NodeStatus, Phase
from profiles.revisions.revision import Revision
from profiles.text.document import FileError
from tests.console.acting import LIMIT_S, console, serve
from tests.console.peer import instance, status, until

SECRETS = ("hf_PlantedInEnv01", "planted-in-argv", "sk-plantedinlog1", "planted in a profile")


def planted() -> NodeCapsule:
    spec = InstanceSpec(
        name="chat/0", service="chat", engine="vllm", model="m",
        options={"extra_args": ["--api-key", SECRETS[1]], "max_tokens": 4096},
        env={"HF_TOKEN": SECRETS[0], "DB_PASSWORD": SECRETS[3]},
    )  # fmt: skip
    wanted = {"chat/0": DesiredInstance(spec=spec, profile="p", revision=1)}
    head = Revision(generation=1, digest="d", reason=f"with password={SECRETS[1]}")
    document = RevisionDocument(head=head, instances=wanted, profile_text=f'api_key: "{SECRETS[3]}"')
    return NodeCapsule(
        name="a", status=status(instance("chat/0", Phase.READY)), desired=Desired(instances=wanted),
        documents=(document,),
        logs={"chat/0": f"started with key {SECRETS[2]}\nserving 3 requests"},
    )  # fmt: skip


def of(*nodes: NodeCapsule) -> Capsule:
    return Capsule(from_unix_s=1000.0, to_unix_s=1900.0, nodes=nodes)


def test_no_planted_secret_is_in_the_file_and_it_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    pack.write(path, pack.packed(of(planted())))
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert not [secret for secret in SECRETS if secret in text]
    (node,) = pack.load(path).nodes
    assert "serving 3 requests" in node.logs["chat/0"]
    assert node.desired.instances["chat/0"].spec.options["max_tokens"] == 4096
    with pytest.raises(FileExistsError):
        pack.write(path, b"")


def test_one_that_would_be_too_large_has_no_logs_and_says_so(tmp_path: Path) -> None:
    large = replace(planted(), logs={"chat/0": "".join(f"{at:x}" for at in range(200_000))})
    path = tmp_path / "c.zip"
    pack.write(path, pack.packed(of(large), limit_bytes=16 * 1024))
    held = pack.load(path)
    assert held.nodes[0].logs == {}
    assert "logs and profiles" in held.left_out[0]
    with pytest.raises(pack.TooLarge):
        pack.packed(of(large), limit_bytes=100)


def test_what_is_damaged_foreign_or_of_a_later_version_is_refused_with_words(tmp_path: Path) -> None:
    whole, path = pack.packed(of(planted())), tmp_path / "c.zip"
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:200] + b"\0" * 60 + whole[260:]):
        path.write_bytes(content)
        with pytest.raises(FileError, match="damaged"):
            pack.load(path)
    for manifest, words in (({"format": "x", "version": 1}, "no capsule"),
                            ({"format": pack.FORMAT, "version": 99}, "version 99")):  # fmt: skip
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", json.dumps(manifest))
        with pytest.raises(FileError, match=words):
            pack.load(path)
    with pytest.raises(FileError, match="cannot be read"):
        pack.load(tmp_path / "none.zip")


def test_text_that_a_terminal_obeys_does_not_come_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    path.write_bytes(pack.packed(of(replace(planted(), logs={"chat/0": "a\x1b]0;owned\x07b"}))))
    assert pack.load(path).nodes[0].logs["chat/0"] == "ab"


def with_gpus(agent: Path, directory: Path) -> None:
    """The agent reads a simulated GPU."""
    gpu = SimulatedGpu(uuid="GPU-1", index=0, name="H100", memory_total_mib=81_920, memory_reserved_mib=600)
    (directory / DEVICES_FILE).write_bytes(encode_devices([gpu]))
    agent.write_text(agent.read_text().replace("--state", f"--simulated {directory} --state"))


async def columns(fleet: FleetDoor, kind: HistoryKind) -> dict[str, dict[int, float | None]]:
    """Field → second → what the node says that it was."""
    told = await fleet.request("here", ReadHistory(kind=kind, last_s=120.0, step_s=1.0), History)
    (one,) = told.series
    return {field: {int(told.from_unix_s) + at: value for at, value in enumerate(column)}
            for field, column in one.values.items()}  # fmt: skip


async def said_by(app: Yard, heard: dict[int, NodeStatus], steps: int) -> None:
    """Note what the node says, until it has said so many seconds."""
    view = app.session.store.nodes["here"]

    def enough() -> bool:
        if told := view.observed():
            heard[int(told.at_unix_s)] = told
        return len(heard) >= steps

    await until(enough, LIMIT_S)


async def test_a_replay_shows_at_each_moment_what_the_node_said_then(agent: Path, tmp_path: Path) -> None:
    heard: dict[int, NodeStatus] = {}
    with_gpus(agent, tmp_path)
    async with console(agent) as live:
        await said_by(live.app, heard, 3)
        await serve(live)
        await said_by(live.app, heard, len(heard) + 4)
        await until(lambda: int(live.app.session.store.wall()) > max(heard) + 1)
        assert live.app.session.fleet
        said = {kind: await columns(live.app.session.fleet, kind) for kind in (HistoryKind.HOST, HistoryKind.GPU)}
        capsule = await gather(live.app.session.fleet, live.app.session.store, 60.0)
    pack.write(tmp_path / "c.zip", pack.packed(capsule))
    clock = [0.0]
    replay = Replay(pack.load(tmp_path / "c.zip"), lambda: clock[0])
    app = ReplayYard(replay, "c.zip")
    async with app.run_test(size=(120, 40)) as pilot:
        replay.toggle()
        seconds = sorted(heard)
        for second in (seconds[1], seconds[-2], seconds[2]):  # on and back again; the first is of before the first step
            replay.go(second + 0.5 - capsule.nodes[0].clock_skew_s)
            view, then = replay.store.nodes["here"], heard[second]
            told = view.observed()
            assert told
            (gpu,) = told.gpus
            assert told.host.memory_used_mib == said[HistoryKind.HOST]["memory_used_mib"][second]
            assert told.host.cpu_ratio == said[HistoryKind.HOST]["cpu_ratio"][second]
            for field in ("power_w", "temperature_c", "memory_used_mib", "busy_ratio"):
                assert getattr(gpu, field) == said[HistoryKind.GPU][field][second] is not None
            phases = {one.name: one.phase for one in told.instances}
            assert {one.name: phases.get(one.name) for one in then.instances} == {
                one.name: one.phase for one in then.instances
            }
        await refuses(app, replay)
        replay.go(capsule.to_unix_s)
        assert replay.store.nodes["here"].instances["chat/0"].phase is Phase.READY
        await pilot.press("left", "space")
        assert replay.now_unix_s == pytest.approx(capsule.to_unix_s - 10.0)
        await pilot.press("greater_than_sign")
        clock[0] += 2.0
        assert replay.now_unix_s == pytest.approx(capsule.to_unix_s - 6.0)
        await until(lambda: "REPLAY ▶ 2×" in "".join(text for text, _ in app.session.head()))
        await app.push_screen(InstanceScreen(app.session, Key(Kind.INSTANCE, "here", "chat/0")))
        replay.go(capsule.from_unix_s)
        assert replay.store.nodes["here"].state is NodeState.UNREACHABLE, "before the agent ran nothing was said"


async def refuses(app: ReplayYard, replay: Replay) -> None:
    assert "replay" in app.session.why_not("here")
    with pytest.raises(RequestFailed, match="cannot be changed"):
        await replay.request(
            "here", SetDesired(expected_generation=1, instances={}, author="a", reason="r"), DesiredSet
        )
    with pytest.raises(RequestFailed, match="capsule"):
        await replay.request("here", ReadLog(instance="none"), DesiredSet)
