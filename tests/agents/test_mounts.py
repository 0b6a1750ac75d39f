"""Which file system a directory is on, in the kernel's words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents import mounts
from agents.mounts import network_type, type_of

RECORDED = """22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 22 0:25 / /home rw,relatime shared:8 master:1 - nfs4 10.0.0.2:/home rw,vers=4.2
33 22 0:27 / /mnt/a\\040b rw - fuse.sshfs ops@host: rw
cut off
"""


@pytest.mark.parametrize(
    ("device", "kind"), [("254:0", "ext4"), ("0:25", "nfs4"), ("0:27", "fuse.sshfs"), ("9:9", None), ("cut", None)]
)
def test_the_type_is_found_by_the_device(device: str, kind: str | None) -> None:
    assert type_of(RECORDED, device) == kind


def test_this_directory_is_local(tmp_path: Path) -> None:
    assert network_type(tmp_path) is None


def test_a_daemon_keeps_no_state_on_a_network(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    line = f"1 1 {os.major(device)}:{os.minor(device)} / / rw - nfs4 server:/home rw\n"
    (tmp_path / "mountinfo").write_text(line)
    code = (
        f"from pathlib import Path; from agents import mounts; mounts.MOUNTS = Path({str(tmp_path / 'mountinfo')!r})\n"
        f"from agents.__main__ import main; raise SystemExit(main(['serve', '--state', {str(tmp_path / 's')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "nfs4" in done.stderr
    assert "--state" in done.stderr
    assert mounts.NETWORK
