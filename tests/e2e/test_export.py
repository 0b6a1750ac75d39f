"""`gpuyard export` over a real sshd: what Prometheus reads of a node that answers, and of one that no longer does."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from engines.prometheus import Page
from profiles.watching.metrics import FAMILIES
from tests.e2e.sshd import Host, wait_until

GONE_LIMIT_S = 20.0


def scraped(url: str) -> Page:
    with urllib.request.urlopen(url, timeout=10) as told:
        return Page(told.read().decode(), [family.name for family in FAMILIES])


def test_prometheus_reads_a_node_and_then_that_it_is_gone(host: Host, gpus: Path) -> None:
    argv = [sys.executable, "-m", "console", "export", "--listen", "127.0.0.1:0", "--inventory",
            str(host.folder / "inventory.yaml")]  # fmt: skip
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=host.environment(), cwd=host.folder) as export:
        assert export.stderr is not None
        try:
            url = re.search(r"http://\S+", export.stderr.readline())
            assert url is not None
            found = scraped(url[0])
            assert found.by("gpuyard_node_up", "node") == {"here": 1.0}
            assert found.by("gpuyard_gpu_memory_bytes", "gpu") == {"0": 81_559 * 2**20, "1": 81_559 * 2**20}
            host.stop()
            wait_until(
                lambda: scraped(url[0]).total("gpuyard_node_up") == 0.0, GONE_LIMIT_S, "the node is told to be down"
            )
            assert not scraped(url[0]).by("gpuyard_gpu_memory_bytes", "gpu")
        finally:
            export.send_signal(signal.SIGINT)
            assert export.wait(20) == 130
