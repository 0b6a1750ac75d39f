"""From bare hosts to green rows over loopback, and what an installation weighs. Needs root and OpenSSH's sshd.

Hosts are accounts of one sshd with nothing of gpuyard on it, reached through a jump host; all of them share this
machine's cores with the console, so that many of them at once are slower here than many hosts are.
"""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from console.hosts import bundle, ownwheel
from console.hosts.choice import Target
from console.hosts.facts import Libc
from tests.e2e.barehost import BareHost, bare_host
from tests.e2e.sshd import PROGRAM

ROOT = Path(__file__).parent.parent
HOSTS = 32


def main() -> None:
    if os.geteuid() != 0 or PROGRAM is None:
        print("install                   not run: needs root and OpenSSH's sshd")
        return
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        folder = Path(name)
        users = [f"u{number:02}" for number in range(HOSTS + 1)]
        (folder / "hosts").mkdir()
        with bare_host(folder / "hosts", users) as host:
            cold_s = install(host, users[:1], folder / "cache")
            print(f"bare host to green        {cold_s:8.1f} s    wheels fetched, one jump host")
            remove(host, users[:1], folder / "cache")
            warm_s = install(host, users[:1], folder / "cache")
            print(f"bare host to green        {warm_s:8.1f} s    wheels in the cache, one jump host")
            agent = host.home(users[0]) / ".local/share/gpuyard"
            print(f"agent on a host           {mebibytes(agent):8.1f} MiB  {distributions(agent)} distributions")
            rest_s = install(host, users[1:], folder / "cache")
            print(f"{HOSTS} hosts at once          {rest_s:8.1f} s    the same way")
        took_s, sent = frozen()
        print(
            f"bundle with a Python      {sent:8.1f} MiB  to send, frozen in {took_s:.1f} s where it is not in the cache"
        )
        console = installed_console(folder / "console")
        print(f"console                   {mebibytes(console):8.1f} MiB  {distributions(console)} distributions")


def install(host: BareHost, users: Sequence[str], cache: Path) -> float:
    """Seconds of the whole command."""
    began = time.monotonic()
    done = host.console("node", "install", *users, environ={"XDG_CACHE_HOME": str(cache)})
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\n{done.stderr}")
    return time.monotonic() - began


def remove(host: BareHost, users: Sequence[str], cache: Path) -> None:
    """The agents, and for that the nodes in the inventory, which are put back."""
    host.console("node", "remove", "--yes", *users, environ={"XDG_CACHE_HOME": str(cache)})
    host.write_inventory()


def frozen() -> tuple[float, float]:
    """Seconds until a bundle for a host like this machine is there, and its MiB."""
    arch, (major, minor) = platform.machine(), platform.libc_ver()[1].split(".")[:2]
    began = time.monotonic()
    part = asyncio.run(bundle.build(Target(arch, Libc("glibc", (int(major), int(minor))), "")))
    return time.monotonic() - began, len(part.data) / 2**20


def installed_console(target: Path) -> Path:
    """What `pip install gpuyard` brings, from the pins of this repository."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(target)]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements/console.txt")], check=True)
    wheel = target.parent / ownwheel.name()
    wheel.write_bytes(ownwheel.build())
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    shutil.rmtree(target / "bin", ignore_errors=True)
    return target


def mebibytes(folder: Path) -> float:
    """What files hold, without compiled Python, which any start makes anew."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 2**20


def distributions(folder: Path) -> int:
    return len({path.name for path in folder.rglob("*.dist-info")})


if __name__ == "__main__":
    main()
