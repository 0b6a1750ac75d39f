"""Two nodes behind one sshd, each with an agent and a state of its own, and consoles that were never there before."""

import getpass
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.sshd import Host, wait_until

NODES = ("one", "two")
QUICK = {"soak": "0s", "ready_deadline": "30s"}


@dataclass
class Pair:
    host: Host
    homes: int = 0
    started: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def set_up(self) -> None:
        lines = ["gpuyard: 1", "nodes:"]
        for node in NODES:
            program = self.host.folder / f"agent-{node}"
            self.host.agent = program
            self.host.write_agent(f'exec {sys.executable} -P -m agents "$@" --state {self.host.state}-{node}')
            login = f"port: {self.host.port}, user: {getpass.getuser()}, identity_file: {self.host.login_key}"
            lines.append(f"  {node}: {{address: 127.0.0.1, {login}, agent: {program}}}")
        (self.host.folder / "inventory.yaml").write_text("\n".join(lines) + "\n")

    def tear_down(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def profile(self, rollout: Mapping[str, object] = QUICK, replicas: int = 2, **options: object) -> str:
        """Replicas of `chat`, on both nodes in turn."""
        service = {
            "engine": "simulated", "model": "tiny", "replicas": replicas, "place": {"spread": "node"},
            "options": {"load_seconds": 0.2} | options, "restart": {"max": 1, "window": "1m"},
        }  # fmt: skip
        path = self.host.folder / "p.yaml"
        text = {"gpuyard": 1, "profile": "p", "rollout": dict(rollout), "services": {"chat": service}}
        path.write_text(json.dumps(text))
        return str(path)

    def start(self, *words: str, user: str = "ana") -> "subprocess.Popen[str]":
        """A console with an empty home of its own, but for the host's key."""
        self.homes += 1
        home = self.host.folder / f"home-{self.homes}"
        (home / ".ssh").mkdir(parents=True)
        known = (self.host.home / ".ssh" / "known_hosts").read_text()
        (home / ".ssh" / "known_hosts").write_text(known)
        argv = [sys.executable, "-m", "console", *words, "--inventory", str(self.host.folder / "inventory.yaml")]
        env = self.host.environment() | {"HOME": str(home), "LOGNAME": user}
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=env,
                                   cwd=self.host.folder)  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *words: str, code: int = 0, user: str = "ana") -> str:
        """What is said on stderr, then on stdout."""
        process = self.start(*words, user=user)
        out, said = process.communicate(timeout=60)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{said}"
        return said + out

    def items(self, kind: str) -> list[dict[str, Any]]:
        process = self.start(kind, "--json")
        found: list[dict[str, Any]] = json.loads(process.communicate(timeout=60)[0])["items"]
        return found

    def instances(self) -> dict[str, str]:
        return {one["name"]: one["phase"] for one in self.items("instances")}

    def document(self, node: str) -> dict[str, Any]:
        content = json.loads(Path(f"{self.host.state}-{node}", "desired.json").read_text())
        found: dict[str, Any] = content["data"]
        return found

    def options(self) -> dict[str, Any]:
        """Instance → its options, as its node wants it."""
        return {name: owned["spec"]["options"] for node in NODES
                for name, owned in self.document(node)["instances"].items()}  # fmt: skip

    def heads(self, node: str, number: int) -> list[dict[str, Any]]:
        """Of the documents that applied this revision."""
        paths = sorted(Path(f"{self.host.state}-{node}", "revisions").glob("*.json"))
        found = [json.loads(path.read_text())["data"]["head"] for path in paths]
        return [head for head in found if (head.get("applied") or {}).get("number") == number]

    def journal(self, node: str) -> dict[str, Any]:
        path = Path(f"{self.host.state}-{node}", "applies", "p.json")
        found: dict[str, Any] = json.loads(path.read_text())["data"] if path.exists() else {}
        return found

    def until_wave(self, number: int, title: str = "p r2") -> None:
        """Some node wants what it asks for."""

        def there() -> bool:
            journals = {node: self.journal(node) for node in NODES}
            here = {
                node: one for node, one in journals.items() if (one.get("title"), one.get("wave")) == (title, number)
            }
            return any(
                self.document(node)["instances"].get(name) == owned
                for node, one in here.items()
                for name, owned in one["edits"][node]["after"].items()
                if {"node": node, "instance": name} in _moves(one, number)
            )

        wait_until(there, 30, f"wave {number} of {title}")

    def silence(self, node: str) -> Callable[[], None]:
        """No agent answers there until what is returned is called; its engines go on."""
        program = self.host.folder / f"agent-{node}"
        works = program.read_text()
        program.write_text("#!/bin/sh\nexit 1\n")
        self.kill_agent(node)

        def answers() -> None:
            program.write_text(works)

        return answers

    def arm(self, node: str, fail_point: str) -> None:
        """Its next agent has this fail point; the one that is started after a death has none."""
        program = self.host.folder / f"agent-{node}"
        works = program.read_text().removeprefix("#!/bin/sh\n")
        once = self.host.folder / f"armed-{node}"
        once.touch()
        program.write_text(f"#!/bin/sh\nrm {once} 2>/dev/null && export GPUYARD_FAIL_POINT={fail_point}\n{works}")
        self.kill_agent(node)

    def disarm(self, node: str) -> None:
        (self.host.folder / f"armed-{node}").unlink(missing_ok=True)
        self.kill_agent(node)

    def agent_pid(self, node: str) -> int:
        found = [pid for pid in self.host.processes() if _is_agent(pid, f"{self.host.state}-{node}")]
        assert len(found) == 1, found
        return found[0]

    def kill_agent(self, node: str) -> None:
        os.kill(self.agent_pid(node), signal.SIGKILL)


def _moves(journal: dict[str, Any], number: int) -> list[dict[str, Any]]:
    return [{"node": one["node"], "instance": one["instance"]} for one in journal["waves"][number]["moves"]]


def _is_agent(pid: int, state: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return "agents" in words and "serve" in words and state in words
