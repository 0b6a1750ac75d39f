"""What was once sent must stay readable: these bytes are recorded, not made by today's code."""

import pytest

from agents import wire
from agents.framing import FrameReader
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.observed.finding import ok
from profiles.observed.history import HistogramSeries, HistoryKind, HistorySeries
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import Event, EventKind, GpuSource, GpuSourceKind, HostReading, NodeStatus, Phase, Role
from profiles.revisions.revision import Revision

STATUS = NodeStatus(
    hostname="n1",
    agent_version="0.1.0",
    boot_id="b",
    at_unix_s=1.5,
    host=HostReading(cores=2, memory_total_mib=64),
    gpu_source=GpuSource(GpuSourceKind.NONE, "no driver"),
)

HEAD = Revision(
    generation=4, digest="d", author="ann", reason="x", at_unix_s=1.5, what="+ a/0", instances=1, has_text=True
)

RECORDED: list[tuple[bytes, wire.AnyFrame]] = [
    (
        b'{"type":"hello","protocol_min":1,"protocol_max":1,"version":"0.1.0","role":"operator","node":"n1"}',
        wire.Hello(version="0.1.0", role=Role.OPERATOR, node="n1"),
    ),
    (b'{"type":"hello"}', wire.Hello()),
    (
        b'{"type":"snapshot","status":{"hostname":"n1","agent_version":"0.1.0","boot_id":"b","at_unix_s":1.5,'
        b'"host":{"cores":2,"memory_total_mib":64},"gpu_source":{"kind":"none","note":"no driver"}},"desired":{}}',
        wire.Snapshot(status=STATUS, desired=Desired()),
    ),
    (b'{"type":"delta","at_unix_s":2.0,"gpus_gone":["GPU-1"]}', wire.Delta(at_unix_s=2.0, gpus_gone=("GPU-1",))),
    (
        b'{"type":"happened","events":[{"seq":4,"at_unix_s":1.0,"kind":"exit","text":"left","instance":"a/0"}]}',
        wire.Happened(events=(Event(seq=4, at_unix_s=1.0, kind=EventKind.EXIT, text="left", instance="a/0"),)),
    ),
    (
        b'{"type":"request","id":3,"body":{"op":"setdesired","expected_generation":1,"instances":{"a/0":{"profile":"p",'
        b'"revision":2,"spec":{"name":"a/0","service":"a","engine":"e","model":"m"}}},"author":"ann","reason":"x"}}',
        wire.Request(
            id=3,
            body=wire.SetDesired(
                expected_generation=1,
                instances={
                    "a/0": DesiredInstance(
                        profile="p", revision=2, spec=InstanceSpec(name="a/0", service="a", engine="e", model="m")
                    )
                },
                author="ann",
                reason="x",
            ),
        ),
    ),
    (
        b'{"type":"request","id":5,"body":{"op":"setdesired","expected_generation":1,"instances":{},"author":"",'
        b'"reason":"x","key":"9f","token":7}}',
        wire.Request(
            id=5,
            body=wire.SetDesired(expected_generation=1, instances={}, author="", reason="x", key="9f", token=7),
        ),
    ),
    (
        b'{"type":"failure","code":"busy","message":"m","id":5,"retry_after_s":0.5}',
        wire.Failure(code="busy", message="m", id=5, retry_after_s=0.5),
    ),
    (
        b'{"type":"request","id":4,"body":{"op":"readlog","instance":"a/0","offset":7},"deadline_s":3.0}',
        wire.Request(id=4, body=wire.ReadLog(instance="a/0", offset=7), deadline_s=3.0),
    ),
    (
        b'{"type":"request","id":5,"body":{"op":"selfcheck","files":true}}',
        wire.Request(id=5, body=wire.SelfCheck(files=True)),
    ),
    (
        b'{"type":"reply","id":5,"body":{"op":"selfchecked","way":"forced","findings":'
        b'[{"code":"disk_space","severity":"ok","seen":"9 GiB are free"}]}}',
        wire.Reply(id=5, body=wire.SelfChecked(way="forced", findings=(ok("disk_space", "9 GiB are free"),))),
    ),
    (
        b'{"type":"request","id":5,"body":{"op":"listprocesses"}}',
        wire.Request(id=5, body=wire.ListProcesses()),
    ),
    (
        b'{"type":"request","id":6,"body":{"op":"terminate","pid":7,"start_ticks":8,"kind":"orphan","key":"k"}}',
        wire.Request(id=6, body=wire.Terminate(pid=7, start_ticks=8, kind=ProcessKind.ORPHAN, key="k")),
    ),
    (b'{"type":"reply","id":6,"body":{"op":"terminated"}}', wire.Reply(id=6, body=wire.Terminated())),
    (
        b'{"type":"reply","id":5,"body":{"op":"processes","processes":[{"pid":7,"start_ticks":8,"kind":"orphan",'
        b'"name":"python","user":"serve","instance":"a/0","age_s":2.5,"gpus":[0,1],"memory_mib":70000}]}}',
        wire.Reply(
            id=5,
            body=wire.Processes(
                processes=(
                    NodeProcess(
                        pid=7,
                        start_ticks=8,
                        kind=ProcessKind.ORPHAN,
                        name="python",
                        user="serve",
                        instance="a/0",
                        age_s=2.5,
                        gpus=(0, 1),
                        memory_mib=70000,
                    ),
                )
            ),
        ),
    ),
    (
        b'{"type":"reply","id":3,"body":{"op":"desiredset","generation":2}}',
        wire.Reply(id=3, body=wire.DesiredSet(generation=2)),
    ),
    (
        b'{"type":"reply","id":4,"body":{"op":"logpiece","text":"l\\n","offset":7,"next_offset":9}}',
        wire.Reply(id=4, body=wire.LogPiece(text="l\n", offset=7, next_offset=9)),
    ),
    (b'{"type":"request","id":5,"body":{"op":"readrevisions"}}', wire.Request(id=5, body=wire.ReadRevisions())),
    (
        b'{"type":"request","id":6,"body":{"op":"readrevision","generation":4}}',
        wire.Request(id=6, body=wire.ReadRevision(generation=4)),
    ),
    (
        b'{"type":"reply","id":5,"body":{"op":"revisions","revisions":[{"generation":4,"digest":"d","author":"ann",'
        b'"reason":"x","at_unix_s":1.5,"what":"+ a/0","instances":1,"has_text":true}]}}',
        wire.Reply(id=5, body=wire.Revisions(revisions=(HEAD,))),
    ),
    (
        b'{"type":"reply","id":6,"body":{"op":"revisiondocument","head":{"generation":4,"digest":"d","author":"ann",'
        b'"reason":"x","at_unix_s":1.5,"what":"+ a/0","instances":1,"has_text":true},"instances":{},'
        b'"profile_text":"gpuyard: 1"}}',
        wire.Reply(id=6, body=wire.RevisionDocument(head=HEAD, instances={}, profile_text="gpuyard: 1")),
    ),
    (
        b'{"type":"request","id":7,"body":{"op":"readhistory","kind":"gpu","names":["g"],"fields":["busy_ratio"],'
        b'"from_unix_s":1.0,"step_s":1.0}}',
        wire.Request(
            id=7,
            body=wire.ReadHistory(
                kind=HistoryKind.GPU, names=("g",), fields=("busy_ratio",), from_unix_s=1.0, step_s=1.0
            ),
        ),
    ),
    (
        b'{"type":"reply","id":7,"body":{"op":"history","from_unix_s":1.0,"step_s":1.0,"steps":2,"series":[{"name":"a/0",'
        b'"values":{"running":[null,0.5]},"phases":[null,"ready"],"histograms":{"ttft":{"bounds_s":[0.1],'
        b'"counts":[null,[1,2]],"sum_s":[0,0.5]}}}],"next_from_unix_s":3.0}}',
        wire.Reply(
            id=7,
            body=wire.History(
                from_unix_s=1.0,
                step_s=1.0,
                steps=2,
                series=(
                    HistorySeries(
                        name="a/0",
                        values={"running": (None, 0.5)},
                        phases=(None, Phase.READY),
                        histograms={
                            "ttft": HistogramSeries(bounds_s=(0.1,), counts=(None, (1.0, 2.0)), sum_s=(0.0, 0.5))
                        },
                    ),
                ),
                next_from_unix_s=3.0,
            ),
        ),
    ),
    (
        b'{"type":"request","id":6,"body":{"op":"takelease","purpose":"p","ttl_s":30.0,"force":true,"key":"9f"}}',
        wire.Request(id=6, body=wire.TakeLease(purpose="p", ttl_s=30.0, force=True, key="9f")),
    ),
    (
        b'{"type":"request","id":6,"body":{"op":"releaselease","token":7}}',
        wire.Request(id=6, body=wire.ReleaseLease(token=7)),
    ),
    (
        b'{"type":"reply","id":6,"body":{"op":"leasetaken","token":7,"ttl_s":30.0}}',
        wire.Reply(id=6, body=wire.LeaseTaken(token=7, ttl_s=30.0)),
    ),
    (b'{"type":"reply","id":6,"body":{"op":"leasereleased"}}', wire.Reply(id=6, body=wire.LeaseReleased())),
    (
        b'{"type":"request","id":7,"body":{"op":"verifyaudit","known_seq":3,"known_hash":"ab"}}',
        wire.Request(id=7, body=wire.VerifyAudit(known_seq=3, known_hash="ab")),
    ),
    (
        b'{"type":"reply","id":7,"body":{"op":"auditverified","records":3,"first_seq":1,"last_seq":3,'
        b'"last_hash":"ab","problem":"p"}}',
        wire.Reply(id=7, body=wire.AuditVerified(records=3, first_seq=1, last_seq=3, last_hash="ab", problem="p")),
    ),
    (
        b'{"type":"request","id":8,"body":{"op":"readanchor","seq":3}}',
        wire.Request(id=8, body=wire.ReadAnchor(seq=3)),
    ),
    (
        b'{"type":"reply","id":8,"body":{"op":"anchor","seq":3,"hash":"ab"}}',
        wire.Reply(id=8, body=wire.Anchor(seq=3, hash="ab")),
    ),
    (
        b'{"type":"hello","role":"admin","node":"n1","audit_seq":3,"audit_hash":"ab"}',
        wire.Hello(role=Role.ADMIN, node="n1", audit_seq=3, audit_hash="ab"),
    ),
    (b'{"type":"failure","code":"stale","message":"m"}', wire.Failure(code="stale", message="m")),
    (b'{"type":"ping","number":1}', wire.Ping(number=1)),
    (b'{"type":"pong","number":1}', wire.Pong(number=1)),
]


@pytest.mark.parametrize(("recorded", "frame"), RECORDED)
def test_recorded_frames_decode(recorded: bytes, frame: wire.AnyFrame) -> None:
    assert FrameReader(preamble=False).frames(len(recorded).to_bytes(4, "big") + recorded) == [frame]


@pytest.mark.parametrize("recorded", [recorded for recorded, _ in RECORDED])
def test_unknown_fields_are_ignored(recorded: bytes) -> None:
    assert wire.decode(recorded[:-1] + b',"of_tomorrow":{"a":[1]}}') == wire.decode(recorded)


@pytest.mark.parametrize("frame", [frame for _, frame in RECORDED])
def test_round_trip(frame: wire.AnyFrame) -> None:
    assert wire.decode(wire.encode(frame)) == frame


@pytest.mark.parametrize(
    ("ours", "theirs", "spoken"),
    [((1, 1), (1, 1), 1), ((1, 3), (2, 5), 3), ((2, 4), (1, 2), 2), ((1, 2), (3, 4), None), ((3, 4), (1, 2), None)],
)
def test_both_sides_speak_the_highest_that_both_know(
    ours: tuple[int, int], theirs: tuple[int, int], spoken: int | None
) -> None:
    agent = wire.Hello(protocol_min=ours[0], protocol_max=ours[1], version="0.3.0")
    console = wire.Hello(protocol_min=theirs[0], protocol_max=theirs[1], version="0.4.0")
    assert wire.common_protocol(agent, console) == wire.common_protocol(console, agent) == spoken
    if spoken is None:
        text, hint = wire.no_common_protocol(agent, console)
        assert "agent 0.3.0" in text
        assert "console 0.4.0" in text
        older = "the agent on that node to 0.4.0" if ours < theirs else "this console to 0.3.0"
        assert hint == f"upgrade {older}"
