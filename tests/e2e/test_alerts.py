"""Alerts over a real sshd: what `watch` says and calls when an engine gives up, and who keeps quiet about it."""

import json
import signal
import subprocess
import sys

from tests.console.test_alerts import Taker, taker
from tests.e2e.sshd import Host
from tests.e2e.test_undo import done, gpuyard, items

__all__ = ["taker"]


def test_watch_tells_of_an_engine_that_gave_up_and_calls_the_webhook(host: Host, taker: str) -> None:
    config = host.home / ".config" / "gpuyard"
    config.mkdir(parents=True)
    (config / "alerts.yaml").write_text(f"gpuyard: 1\nnotify: {{webhook: {{url: '{taker}/'}}}}\n")
    service = {
        "engine": "simulated",
        "model": "tiny",
        "options": {"load_seconds": 0.1, "crash_after": 0.1},
        "restart": {"max": 1},
    }
    (host.folder / "p.yaml").write_text(json.dumps({"gpuyard": 1, "profile": "p", "services": {"chat": service}}))
    done(host, "apply", "-f", str(host.folder / "p.yaml"), "--yes", "--no-wait")
    argv = [sys.executable, "-m", "console", "watch", "--json", "--inventory", str(host.folder / "inventory.yaml")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=host.environment(), cwd=host.folder) as watch:
        assert watch.stdout is not None
        try:
            told = json.loads(watch.stdout.readline())
        finally:
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(20) == 0
    assert (told["stage"], told["severity"]) == ("firing", "problem")
    assert told["rule"] in ("down", "crash_loop")
    assert [body["item"]["rule"] for _, _, body in Taker.taken][:1] == [told["rule"]]  # type: ignore[index]
    done(host, "alerts", "ack", told["rule"], told["target"])
    quiet = {one["rule"]: one["quiet"] for one in items(host, "alerts")}
    assert quiet[told["rule"]].endswith("has it")
    done(host, "alerts", "silence", "*", "p:*", "--for", "1h", "--reason", "a test")
    assert "silenced" in {one["quiet"] for one in items(host, "alerts") if one["target"].startswith("p:")}
    done(host, "alerts", "silence", "*", "p:*", "--end")
    assert "silenced" not in {one["quiet"] for one in items(host, "alerts")}
    assert gpuyard(host, "alerts", "ack", "brun", "x").returncode == 64
    assert any(one["kind"] == "exit" for one in json.loads(done(host, "changes", "--json"))["items"])
