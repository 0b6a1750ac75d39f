import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import failpoints
from agents.failpoints import POINTS, REPARTITION_POINTS, VARIABLE
from agents.processes import shim
from profiles.gpu.repartition import ChangePhase

AGENTS = Path(failpoints.__file__).parent


def reach(point: str, armed: str, times: int = 1) -> subprocess.Popen[str]:
    code = f"from agents.failpoints import reach\nfor _ in range({times}): reach({point!r})\nprint('past it')"
    return subprocess.Popen(
        [sys.executable, "-c", code], env={VARIABLE: armed}, cwd=AGENTS.parent, stdout=-1, stderr=-1, text=True
    )


def test_every_point_is_in_the_code_once_and_every_one_there_is_listed() -> None:
    texts = [path.read_text() for path in AGENTS.rglob("*.py") if path.name != "failpoints.py"]
    found = [point for text in texts for point in re.findall(r'\breach\("([a-z-]+)"\)', text)]
    phases = [f"mig-{phase}" for phase in ChangePhase]
    assert sorted(found + phases) == sorted(POINTS + REPARTITION_POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_every_point_can_kill(point: str) -> None:
    with reach(point, f"{point}:kill") as process:
        assert process.wait(20) == -signal.SIGKILL


def test_error_comes_at_its_turn_alone() -> None:
    with reach("before-write", "before-write@2:error", times=2) as process:
        assert "fail point before-write" in process.communicate(timeout=20)[1]
        assert process.returncode == 1
    with reach("before-write", "before-write@2:error", times=1) as process:
        assert process.communicate(timeout=20)[0] == "past it\n"


def test_stop_halts_until_it_is_continued() -> None:
    with reach("after-spawn", "before-write:kill,after-spawn:stop") as process:
        deadline = time.monotonic() + 20
        while Path(f"/proc/{process.pid}/stat").read_text().split()[2] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=20)[0] == "past it\n"


@pytest.mark.parametrize("text", ["nowhere:kill", "after-spawn:explode", "after-spawn"])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no fail point"):
        failpoints.parse(text)


def test_unset_nothing_happens_and_nothing_is_inherited() -> None:
    for point in POINTS:
        failpoints.reach(point)
    assert failpoints.inherited({}) == {}
    assert failpoints.inherited({VARIABLE: "after-spawn:kill"}) == {shim.FAIL_POINT: "after-spawn:kill"}
