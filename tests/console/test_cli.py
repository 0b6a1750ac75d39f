"""The command line without a network: words, exit codes, what goes where. With one, see tests/e2e."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.__main__ import main
from console.author import author
from console.cli import items
from console.cli.lists import LISTINGS
from console.cli.names import find_instance, find_instances, find_logged
from console.cli.output import CommandFailed, Exit, say_reason
from console.cli.plans import plan_items, settling_line
from console.cli.session import Reached
from console.cli.table import print_table
from console.render.nodes import node_row
from console.render.plan import plan_lines
from console.render.services import services
from console.render.table import Cell, Column, Tone
from console.settling import Settling
from console.store import Key, Kind, NodeState, Store
from engines.base import LoadProgress
from profiles.observed.status import GpuSource, GpuSourceKind, Phase, Reason
from profiles.plans.plan import Action, Change, Plan, Step
from profiles.plans.verb_plan import Verb, plan_verb
from profiles.revisions.revision import Revision
from tests.console.peer import instance, snapshot
from tests.fakes.fleet import filled
from tests.fakes.sharing import shared_store


def reached(store: Store) -> Reached:
    return Reached(store, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "--nodes", "abc"],
        ["demo", "--gpus", "99"],
        ["nodess"],
        ["apply"],
        ["run", "x"],
        ["stop"],
        ["logs"],
        ["nodes", "-o", "yaml"],
        ["--inventory"],
    ],
)
def test_wrong_words_are_usage_errors_on_one_line(words, capsys):
    assert main(words) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("gpuyard: ")
    assert said.err.count("\n") == 1
    assert "invalid" not in said.err or "choice" in said.err, "say what would be right"


def test_version_and_help(capsys):
    assert main(["--version"]) == main(["version"]) == 0
    assert set(capsys.readouterr().out.split()) == {"gpuyard", "0.1.0"}
    assert main(["stop", "--help"]) == 0
    assert "--no-wait" in capsys.readouterr().out


def test_common_options_stand_before_or_after_the_verb(tmp_path, capsys):
    missing = str(tmp_path / "none.yaml")
    assert main(["--inventory", missing, "nodes"]) == main(["nodes", "--inventory", missing]) == 64
    assert capsys.readouterr().err.count(missing) == 2


def test_read_only_refuses_before_anything_is_reached(capsys):
    assert main(["stop", "chat", "--read-only", "--yes"]) == 1
    assert "leave --read-only out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "vlm", "--model", "m"], "did you mean `vllm`"),
        (["--engine", "simulated", "--model", "m", "--option", "seed"], "write KEY=VALUE"),
        (["--engine", "simulated", "--model", "m", "--option", "seed=abc"], "seed"),
        (["--engine", "simulated", "--model", "m", "--gpus", "here"], "NODE/INDEX"),
        (["--engine", "simulated", "--model", "m", "--gpus", "0"], "`count` must be 1 to 64"),
        (["--engine", "simulated", "--model", "m", "--type", "H10"], "did you mean `H100`"),
        (["--engine", "simulated", "--model", "m", "--node", "site="], "LABEL=VALUE"),
        (["--engine", "simulated", "--model", "m", "--port", "99999"], "99999"),
    ],
)
def test_run_checks_its_words_like_a_file(words, said, capsys):
    assert main(["run", "x", "--yes", *words]) == 64
    assert said in capsys.readouterr().err


def test_without_a_terminal_the_console_says_what_to_use(monkeypatch, capsys):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main([]) == 64
    assert "gpuyard status" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    script = f"'{sys.executable}' -m console demo --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def nodes_of_nowhere(tmp_path, redirection, *words, **environ):
    """`gpuyard nodes` on one node that refuses, its streams as the shell is told."""
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text('{"gpuyard": 1, "nodes": {"here": {"local": true, "agent": "/nowhere/agent"}}}')
    line = f'exec "$0" -m console nodes --inventory {inventory} {" ".join(words)} {redirection}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable], capture_output=True, check=False, env=os.environ | environ, timeout=60
    )


@pytest.mark.parametrize("words", [(), ("--json",), ("--help",)])
@pytest.mark.parametrize(
    ("redirection", "cause"), [(">&-", "it is closed"), ("> /dev/full", "No space left on device")]
)
def test_a_stdout_that_takes_nothing_is_one_line_and_a_failure(tmp_path, redirection, cause, words):
    done = nodes_of_nowhere(tmp_path, redirection, *words)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [f"gpuyard: cannot write to stdout: {cause}"]


def test_other_streams_may_be_closed(tmp_path):
    done = nodes_of_nowhere(tmp_path, "2>&- <&-")
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.count(b"\n") == 2


def test_a_locale_that_cannot_show_everything_shows_the_rest(tmp_path):
    ascii_only = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = nodes_of_nowhere(tmp_path, "", **ascii_only)
    assert done.returncode == 3
    assert b"here" in done.stdout.splitlines()[1]
    assert b"agent cannot be run: No such file or directory ? see" in done.stderr
    done = nodes_of_nowhere(tmp_path, "", "--json", **ascii_only)
    assert json.loads(done.stdout.decode())["kind"] == "nodes"


def test_every_list_has_rows_items_and_names_that_agree():
    store = filled()
    for kind, listed in LISTINGS.items():
        entries = list(listed.entries(store))
        assert entries, kind
        assert len(entries) == len({one.name for one in entries})
        assert all(len(row) == len(listed.columns) for one in entries for row in one.rows)
        assert all(one.item() for one in entries)


def test_items_are_plain_and_carry_quantiles_in_place_of_histograms():
    store = filled()
    found = {
        item["name"]: item
        for item in json.loads(json.dumps([one.item() for one in LISTINGS["instances"].entries(store)]))
    }
    reading = found["qwen3-32b/0"]["reading"]
    assert reading["ttft"]["p50"] == {"low_s": 0.05, "high_s": 0.1}
    assert reading["ttft"]["count"] == 100
    assert reading["window_s"] == 60
    assert reading["queue"] is None
    assert reading["absent"] == {"queue": "this engine has no queue time histogram"}
    assert found["rerank/0"]["reading"] is None
    assert found["rerank/0"]["reason"]["code"] == "crash_loop"


def test_events_and_revisions_carry_the_time_of_our_clock_beside_the_nodes():
    store = filled()
    view = store.nodes["fra-2"]
    view.clock_skew_s = 100.0
    item = items.event_item(view, view.events[0])
    assert item["corrected_unix_s"] == view.events[0].at_unix_s - 100.0
    assert item["at_unix_s"] == view.events[0].at_unix_s
    head = Revision(generation=3, digest="d", at_unix_s=500.0)
    assert items.revision_item(view, head)["corrected_unix_s"] == 400.0
    assert items.revision_item(view, replace(head, at_unix_s=None))["corrected_unix_s"] is None


def test_a_node_item_says_how_it_is_reached():
    store = filled()
    item = items.node_item(store, store.nodes["fra-1"])
    assert (item["state"], item["way"], item["role"], item["gpus"]) == ("up", "socket", "operator", 8)


def test_a_healthy_simulated_node_says_so_and_nothing_is_wrong_with_it():
    store = filled()
    view = store.nodes["fra-1"]
    assert view.status is not None
    source = GpuSource(GpuSourceKind.SIMULATED, "SIMULATED: no real GPU is read")
    view.status = replace(view.status, gpu_source=source)
    row = node_row(store, Key(Kind.NODE, "fra-1"))
    assert row is not None
    assert (row.cells[-1].text, row.cells[-1].tone) == (source.note, Tone.DIM)


def test_services_add_their_replicas_up_and_leave_lost_nodes_out():
    store = filled()
    found = {service.name: service for service in services(store)}
    assert (found["llama-70b"].ready, found["llama-70b"].replicas) == (2, 3)
    assert found["qwen3-32b"].traffic.requests_per_s == pytest.approx(88.4)
    assert found["rerank"].worst == "down"
    store.link("fra-1", NodeState.UNREACHABLE)
    lost = {service.name: service for service in services(store)}["llama-70b"]
    assert (lost.ready, lost.wanted, lost.worst, lost.traffic.requests_per_s) == (0, 3, "unseen", None)


def test_a_table_is_aligned_and_not_cut_without_a_terminal(capsys):
    columns = (Column("a", "Name", 4), Column("b", "Count", 3, right=True))
    print_table(columns, [(Cell("a long name 漢字"), Cell("5")), (Cell("b"), Cell("1,576"))], wide=False)
    assert capsys.readouterr().out.splitlines() == [
        "Name              Count",
        "a long name 漢字      5",
        "b                 1,576",
    ]


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("qwen3-32b/1", ["fra-2:qwen3-32b/1"]),
        ("qwen3-32b", ["fra-2:qwen3-32b/0", "fra-2:qwen3-32b/1"]),
        ("llama-70b", ["fra-1:llama-70b/0", "fra-1:llama-70b/1", "ams-1:llama-70b/2"]),
        ("ams-1:llama-70b", ["ams-1:llama-70b/2"]),
    ],
)
def test_what_a_name_means(name, targets):
    assert [":".join(target) for target in find_instances(reached(filled()), [name])] == targets


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("nobody", Exit.FAILED, "no instance nobody"), ("x:qwen3-32b", Exit.USAGE, "there is no node x")],
)
def test_a_name_that_means_nothing(name, code, said):
    with pytest.raises(CommandFailed) as failed:
        find_instances(reached(filled()), [name])
    assert (failed.value.code, said in failed.value.reason.text) == (code, True)


def test_replicas_come_in_the_order_of_their_numbers():
    store = filled()
    store.receive("fra-2", snapshot(*(instance(f"chat/{at}", Phase.READY) for at in (10, 2, 0))))
    targets = find_instances(reached(store), ["fra-2:chat"])
    assert [name for _, name in targets] == ["chat/0", "chat/2", "chat/10"]


def test_what_a_file_says_is_harmless_in_a_plan_and_in_talk(capsys):
    change = Change("options.note", "a\u202eb", "two\nlines\x1b[2J")
    step = Step(action=Action.LIVE, node="a", instance="chat/0", changes=(change,))
    shown = list(plan_lines(Plan(title="p\u2066 r2", steps=(step,), nodes=())))
    assert shown == [
        r"Plan  p\u2066 r2", "  ~ live     chat/0  on a", r"      options.note: a\u202eb → two lines"
    ]  # fmt: skip
    say_reason(Reason("unplaceable", "no node \u202e\x1b]0;x\x07"))
    assert capsys.readouterr().err == "gpuyard: no node \\u202e\n"


def test_a_plan_says_of_each_key_whether_it_needs_a_restart() -> None:
    keys = (Change("options.seed", "1", "2", restarts=True), Change("slo.errors_ratio", "", "0.1"))
    step = Step(action=Action.REPLACE, node="a", instance="chat/0", changes=keys)
    assert list(plan_lines(Plan(title="p r2", steps=(step,), nodes=())))[2:] == [
        "      options.seed: 1 → 2 (restart)", "      slo.errors_ratio: – → 0.1 (live)",
    ]  # fmt: skip


def test_a_user_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setenv("LOGNAME", "ana")
    assert author() == "ana"
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert author() == "uid 987654"


def test_a_name_on_two_nodes_or_with_replicas_must_be_said_exactly():
    store = filled()
    store.add_node("twin")
    store.receive("twin", snapshot(instance("rerank/0", Phase.READY)))
    with pytest.raises(CommandFailed) as failed:
        find_instances(reached(store), ["rerank"])
    assert "twin:rerank/0" in failed.value.reason.hint
    with pytest.raises(CommandFailed, match="ambiguous"):
        find_instance(reached(store), "llama-70b")


def test_a_process_of_an_agent_s_own_has_a_log_and_is_no_instance():
    found = reached(shared_store())
    assert find_logged(found, "_mps-1f3a90bc") == ("fra-7", "_mps-1f3a90bc")
    assert find_logged(found, "fra-7:_mps-1f3a90bc") == ("fra-7", "_mps-1f3a90bc")
    assert find_logged(found, "draft") == ("fra-7", "draft/0")
    with pytest.raises(CommandFailed):
        find_instances(found, ["_mps-1f3a90bc"])


def test_a_name_that_may_be_on_a_lost_node_is_unreachable_rather_than_unknown(capsys):
    store = filled()
    store.link("fra-1", NodeState.REFUSED, Reason("auth_failed", "refused the login"))
    with pytest.raises(CommandFailed) as failed:
        find_instances(reached(store), ["nobody"])
    assert failed.value.code is Exit.UNREACHABLE
    assert "fra-1: refused the login" in capsys.readouterr().err


def test_a_plan_is_shown_before_it_is_applied():
    store = filled()
    plan = plan_verb(
        Verb.STOP,
        [("fra-2", "qwen3-32b/0"), ("fra-2", "none/0")],
        {name: view.desired for name, view in store.nodes.items()},
    )
    assert list(plan_lines(plan)) == ["Plan  stop", "  - stop     qwen3-32b/0  on fra-2"]
    assert [item["action"] for item in plan_items(plan)] == ["stop", "blocked"]


def test_how_far_a_step_is():
    (step,) = plan_verb(Verb.STOP, [("fra-2", "qwen3-32b/0")], {"fra-2": filled().nodes["fra-2"].desired}).steps
    load = LoadProgress(step="weights", ratio=0.4)
    loading = replace(instance("qwen3-32b/0", Phase.LOADING), load=load)
    assert settling_line(Settling(step=step, status=loading, ok=None)) == "fra-2 qwen3-32b/0 loading weights 40%"
    again = replace(loading, load=replace(load, elapsed_s=5.0, expected_s=30.0))
    line = "fra-2 qwen3-32b/0 loading weights 40%"
    assert settling_line(Settling(step=step, status=again, ok=None)) == f"{line}, about 25s left"
    assert settling_line(Settling(step=step, status=again, ok=None), timed=False) == line
    late = replace(again, load=replace(load, elapsed_s=42.0, expected_s=30.0))
    assert settling_line(Settling(step=step, status=late, ok=None)) == f"{line}, 12s longer than last time"
    failed = Settling(step=step, status=loading, ok=False, reason=Reason("oom", "out of\nmemory", "take less"))
    assert settling_line(failed) == "fra-2 qwen3-32b/0 loading: out of memory — take less"
    assert settling_line(Settling(step=step, status=None, ok=True)) == "fra-2 qwen3-32b/0 is gone"


def test_a_plan_says_which_limits_a_node_does_not_hold():
    store = filled()
    desired = {name: view.desired for name, view in store.nodes.items()}
    plan = plan_verb(Verb.RESTART, [("fra-1", "llama-70b/0")], desired)
    told = replace(plan, steps=(replace(plan.steps[0], not_enforced={"memory": "there is no cgroup"}),))
    assert list(plan_lines(told))[-1] == "      ! memory is not enforced: there is no cgroup"
    assert plan_items(told)[0]["not_enforced"] == {"memory": "there is no cgroup"}
