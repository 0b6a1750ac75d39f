"""`gpuyard fit` with what engines on a node took of memory, over a real sshd."""

import json
from pathlib import Path

from tests.agents.test_measurements import CONFIG
from tests.e2e.sshd import Host


def test_an_estimate_is_corrected_by_what_a_node_measured(host: Host, gpus: Path) -> None:
    model = host.folder / "llama-8b"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(CONFIG))
    fit = ("fit", str(model), "--gpu", "H100", "--node", "here")
    done = host.console(*fit)
    assert (done.returncode, "the estimate is not corrected" in done.stderr) == (0, True), done.stderr

    options = ("--option", "load_seconds=0.1", "--option", "weights_mib=15817")
    done = host.console("run", "chat", "--engine", "simulated", "--model", str(model), "--gpus", "1", *options, "--yes")
    assert done.returncode == 0, done.stderr
    shown = host.console("describe", "instance", "chat/0").stdout
    assert "estimated 15.0 GiB, measured 15.5 GiB (+3 %): weights" in shown, shown

    done = host.console(*fit)
    assert f"corrected by what {'here'} measured on 20" in done.stdout, done.stderr
    (item,) = json.loads(host.console(*fit, "--json").stdout)["items"]
    assert item["correction_mib"] == item["corrected_by"]["measurement"]["taken"]["compared"]["measured_mib"] - 15_317
    assert host.console("stop", "chat/0", "--yes").returncode == 0
