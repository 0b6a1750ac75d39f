"""A plan over a real sshd: exit codes, hand edits that it takes back, and a saved one that is refused once stale."""

import json
from pathlib import Path

from tests.e2e.sshd import Host
from tests.e2e.test_undo import done, gpuyard, profile


def test_plan_save_apply_and_refuse(host: Host) -> None:
    chat = profile(host, "p", {"chat": 0.1})
    out = str(host.folder / "plan.json")
    first = gpuyard(host, "plan", "-f", chat, "--out", out)
    assert first.returncode == 2, first.stderr
    assert "+ start    chat/0  on here" in first.stdout
    assert "1 change, valid while here stays at generation 0" in first.stderr
    assert "In waves: at most 1 replica of a service away at once, each ready before the next" in first.stdout
    assert "On failure: rollback" in first.stdout
    assert "Undo: `gpuyard undo p` returns to what stands now, nothing of it" in first.stdout
    assert Path(out).stat().st_mode & 0o077 == 0
    assert json.loads(done(host, "instances", "--json"))["items"] == [], "nothing was done"

    assert "chat/0" in done(host, "apply", "--plan", out, "--yes")
    again = gpuyard(host, "plan", "-f", chat)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)
    stale = gpuyard(host, "apply", "--plan", out, "--yes")
    assert stale.returncode == 4
    assert "here was changed since: generation 0 → " in stale.stderr
    assert f"by ana (apply {chat})" in stale.stderr

    broken = json.loads(Path(out).read_text())
    broken["plan"]["nodes"][0]["instances"]["chat/0"]["spec"]["model"] = "evil"
    Path(out).write_text(json.dumps(broken))
    tampered = gpuyard(host, "apply", "--plan", out, "--yes")
    assert tampered.returncode == 64
    assert "changed after it was saved" in tampered.stderr

    done(host, "stop", "chat", "--yes", user="bob")
    named = Path(host.folder / "profiles" / "p.yaml")
    named.parent.mkdir()
    named.write_text(Path(profile(host, "p", {"chat": 0.2})).read_text())
    edited = gpuyard(host, "plan", "p")
    assert edited.returncode == 2
    assert "wanted: stopped → running (edited by hand since the last apply)" in edited.stdout
    assert "returns to what stands now, r1" in edited.stdout
    assert sum("by hand" in line for line in edited.stdout.splitlines()) == 1
    absent = gpuyard(host, "plan", "q")
    assert absent.returncode == 64
    assert "there: p; or name a file with -f" in absent.stderr

    shown = gpuyard(host, "plan", "p", "--json")
    assert json.loads(shown.stdout)["items"][0]["action"] == "start"
