"""The metrics page: by our own reader, by the rules of the format, and against the dashboard and the document."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base import Histogram
from engines.prometheus import Page
from profiles.observed.status import (
    EngineReading,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    GpuState,
    HostReading,
    InstanceStatus,
    NodeStatus,
    Phase,
)  # fmt: skip
from profiles.watching.exposition import Family, MetricKind, Series
from profiles.watching.metrics import FAMILIES, NodeMetrics, page

DOCS = Path(__file__).parent.parent.parent / "docs"
NAMES = {family.name for family in FAMILIES}
LINE = re.compile(r'[a-z_:][a-z0-9_:]*(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? \S+')
TTFT = Histogram((0.1, 0.2, 1.0), (0.0, 50.0, 100.0, 100.0), 40.0)


def status(**more: object) -> NodeStatus:
    reading = EngineReading(at_unix_s=1.0, running=3.0, waiting=0.0, kv_usage_ratio=0.5, ttft=TTFT)
    chat = InstanceStatus(
        name="chat/0", profile="p", revision=1, engine="vllm", model="m", phase=Phase.READY, since_unix_s=0.0,
        restarts=2, reading=reading,
    )  # fmt: skip
    gpu = GpuReading(uuid="GPU-1", index=0, name="H100", memory_total_mib=80, energy_mj=1500, busy_ratio=0.25)
    lost = GpuReading(uuid="GPU-2", index=1, name="H100", busy_ratio=0.9, state=GpuState.LOST)
    return NodeStatus(
        hostname="h", agent_version="1", boot_id="b", at_unix_s=1.0, host=HostReading(cores=2, memory_total_mib=4),
        gpu_source=GpuSource(GpuSourceKind.SIMULATED), gpus=(gpu, lost), instances=(chat,),
    )  # fmt: skip


def read(*nodes: NodeMetrics) -> Page:
    return Page(page(nodes), NAMES)


def test_what_a_node_says_is_read_back_in_base_units() -> None:
    found = read(
        NodeMetrics(node="a", site="fra", is_up=True, status=status(), owners={"chat/0": "ana"},
                    microusd_h={"chat/0": 2_500_000})
    )  # fmt: skip
    labels = {"node": "a", "instance": "chat/0", "service": "chat", "profile": "p", "owner": "ana"}
    assert found.series("gpuyard_instance_requests_waiting") == [(labels, 0.0)]
    assert found.series("gpuyard_instance_cost_dollars_per_hour") == [(labels, 2.5)]
    assert found.series("gpuyard_instance_phase") == [({**labels, "phase": "ready"}, 1.0)]
    gpu = {"node": "a", "gpu": "0", "uuid": "GPU-1"}
    assert found.series("gpuyard_gpu_memory_bytes") == [(gpu, 80 * 2**20)]
    assert found.series("gpuyard_gpu_energy_joules_total") == [(gpu, 1.5)]


def test_a_quantile_in_a_wide_bucket_is_told_by_both_its_ends() -> None:
    found = read(NodeMetrics(node="a", is_up=True, status=status())).series("gpuyard_instance_ttft_seconds")
    assert {(one["quantile"], one["bound"]): value for one, value in found}["0.95", "low"] == 0.2
    assert {(one["quantile"], one["bound"]): value for one, value in found}["0.95", "high"] == 1.0


def test_what_is_not_known_has_no_series() -> None:
    found = read(NodeMetrics(node="a", is_up=True, status=status()))
    assert "gpuyard_instance_cost_dollars_per_hour" not in found
    assert "gpuyard_gpu_power_watts" not in found


def test_a_gpu_that_is_lost_has_no_old_samples() -> None:
    found = read(NodeMetrics(node="a", is_up=True, status=status()))
    assert found.by("gpuyard_gpu_up", "gpu") == {"0": 1.0, "1": 0.0}
    assert found.by("gpuyard_gpu_busy_ratio", "gpu") == {"0": 0.25}


def test_a_node_that_is_not_up_says_that_and_nothing_else() -> None:
    text = page([NodeMetrics(node="a", is_up=False, status=status())])
    assert [line for line in text.splitlines() if not line.startswith("#")] == ['gpuyard_node_up{node="a"} 0']


def test_names_and_units_are_by_convention() -> None:
    assert all(name.startswith("gpuyard_") for name in NAMES)
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind is MetricKind.COUNTER), family.name
        assert not re.search(r"_(ms|mib|kib|percent|minutes|micro\w*)(_|$)", family.name), family.name


@given(st.dictionaries(st.sampled_from(["node", "service", "owner"]), st.text(st.characters(codec="utf-8"))),
       st.floats(allow_nan=False))  # fmt: skip
def test_any_label_keeps_to_its_line(labels: dict[str, str], value: float) -> None:
    series = Series([Family("gpuyard_x", MetricKind.GAUGE, "back\\slash\nnew line")])
    series.put("gpuyard_x", labels, value)
    head, kind, line, rest = series.page().split("\n")
    assert (head, kind, rest) == ("# HELP gpuyard_x back\\\\slash\\nnew line", "# TYPE gpuyard_x gauge", "")
    assert LINE.fullmatch(line)
    assert float(line.rpartition(" ")[2]) == pytest.approx(value, rel=0, abs=0)


def test_each_family_is_together_and_said_once() -> None:
    nodes = [NodeMetrics(node=node, is_up=True, status=status()) for node in "ab"]
    lines = page(nodes).splitlines()
    order = [line.split()[2] if line.startswith("#") else re.split(r"[{ ]", line)[0] for line in lines]
    assert len([name for at, name in enumerate(order) if at == 0 or order[at - 1] != name]) == len(set(order))
    assert len(lines) == len(set(lines))


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [one["definition"] for one in dashboard["templating"]["list"] if "definition" in one]
    named = [set(re.findall(r"gpuyard_\w+", text)) for text in asked]
    assert all(named)
    assert set().union(*named) <= NAMES


def test_every_metric_is_in_the_document() -> None:
    assert set(re.findall(r"gpuyard_\w+", (DOCS / "metrics.md").read_text())) == NAMES
