"""A program is run to its end or to its limit, and nothing of it stays."""

import sys

from console.hosts.tool import Ended, run


async def test_what_it_said_and_whether_it_worked() -> None:
    script = "import sys; print('out', flush=True); sys.stderr.write('err'); sys.exit(int(sys.argv[1]))"
    assert await run([sys.executable, "-c", script, "0"], 20.0) == Ended(True, "out\nerr")
    assert await run([sys.executable, "-c", script, "3"], 20.0) == Ended(False, "out\nerr")


async def test_one_that_does_not_end_is_ended_at_its_limit() -> None:
    assert await run([sys.executable, "-c", "import time; time.sleep(600)"], 0.2) == Ended(False, "no end within 0.2 s")
