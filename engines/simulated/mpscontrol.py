"""A control program of MPS that controls nothing: it keeps the list of its clients. SIMULATED, as the GPUs are.

    nvidia-cuda-mps-control -f         the daemon, in CUDA_MPS_PIPE_DIRECTORY
    echo COMMAND | …                   get_server_list, get_server_status PID, get_client_list PID, quit

Its server is a process of its own, started for the first client, which outlives the daemon where that is killed. Both
end with the demo of GPUYARD_SIMULATED_DIR.
`switches.json` in CUDA_MPS_LOG_DIRECTORY makes it misbehave, read at each request:

    {"refuse": TEXT}        the daemon does not start        {"hang": true}     it answers nobody
    {"fail_open": true}     clients find no server, and run without       {"fault": true}   its server is in FAULT
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from engines.simulated.device import abandoned
from engines.simulated_device import CLAIM_PERIOD_S, DIRECTORY_VARIABLE

PIPES = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
SWITCHES = Path(os.environ.get("CUDA_MPS_LOG_DIRECTORY", "/var/log/nvidia-mps")) / "switches.json"
CONTROL = "control"
SERVER = "server"


def main(words: list[str]) -> int:
    if words == ["-f"]:
        return asyncio.run(Daemon().run())
    if words == ["--server"]:
        return asyncio.run(Server().run())
    return ask(sys.stdin.read())


def ask(commands: str) -> int:
    """What the daemon answers to each line."""
    for line in filter(None, map(str.strip, commands.splitlines())):
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(str(PIPES / CONTROL))
                control.sendall(f"{line}\n".encode())
                print(control.makefile().read(), end="")
        except OSError:
            print("Cannot find MPS control daemon process")
            return 1
    return 0


def switch(name: str) -> Any:
    try:
        return json.loads(SWITCHES.read_text()).get(name)
    except (OSError, ValueError):
        return None


async def until_over(stop: asyncio.Event) -> None:
    """Told to stop, or nobody is there any more for whom to play it."""
    root = os.environ.get(DIRECTORY_VARIABLE)
    while not stop.is_set() and not (root and abandoned(Path(root))):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_PERIOD_S):
                await stop.wait()


async def heard(path: Path, line: str) -> str:
    """The one line that is answered at `path`; "" when nobody is there."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return ""
    writer.write(f"{line}\n".encode())
    try:
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


class Daemon:
    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._starting = asyncio.Lock()

    async def run(self) -> int:
        if text := switch("refuse"):
            print(text, flush=True)
            return 1
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        (PIPES / CONTROL).unlink(missing_ok=True)
        async with await asyncio.start_unix_server(self._serve, PIPES / CONTROL):
            print("simulated MPS control daemon: Start", flush=True)
            await until_over(self._stop)
        await heard(PIPES / SERVER, "quit")
        return 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode().strip().partition(" ")[0]
        if switch("hang"):
            await asyncio.Event().wait()
        writer.write((await self._answer(command)).encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def _answer(self, command: str) -> str:
        if command == "quit":
            self._stop.set()
            return ""
        if command == "client":
            return await self._admit()
        pid, state, *clients = (await heard(PIPES / SERVER, "list")).split() or ("", "")
        if command == "get_server_list":
            return f"{pid}\n" if pid else ""
        if command == "get_server_status":
            return f"{'FAULT' if switch('fault') else state}\n"
        return "".join(f"{client}\n" for client in clients)

    async def _admit(self) -> str:
        if switch("fail_open"):
            return "none\n"
        async with self._starting:
            state = (await heard(PIPES / SERVER, "list")).split()[1:2]
            if state == ["FAULT"] or switch("fault"):
                return "fault\n"
            if not state:
                await self._start_server()
        return f"server {PIPES / SERVER}\n"

    async def _start_server(self) -> None:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "engines.simulated.mpscontrol", "--server", stdout=asyncio.subprocess.PIPE
        )
        assert server.stdout
        await server.stdout.readline()


class Server:
    """Lives until it is told to quit, or its last client left it in FAULT."""

    def __init__(self) -> None:
        self._clients: dict[asyncio.StreamWriter, int] = {}
        self._fault = False
        self._empty = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        (PIPES / SERVER).unlink(missing_ok=True)
        async with await asyncio.start_unix_server(self._serve, PIPES / SERVER):
            print("listening", flush=True)
            await until_over(self._stop)
            for writer in self._clients:
                writer.close()
            if self._clients:
                await self._empty.wait()
        return 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = (await reader.readline()).decode().strip()
        if word.isdecimal():
            await self._keep(int(word), reader, writer)
        elif word == "list":
            state = "FAULT" if self._fault else "ACTIVE"
            writer.write(" ".join(map(str, [os.getpid(), state, *self._clients.values()])).encode() + b"\n")
        elif word == "quit":
            self._stop.set()
        writer.close()

    async def _keep(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = pid
        self._empty.clear()
        while line := await reader.readline():
            if line == b"fault\n":
                self._fault = True
                for other in self._clients:
                    other.close()
        del self._clients[writer]
        if not self._clients:
            self._empty.set()
            if self._fault:
                self._stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
