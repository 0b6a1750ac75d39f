"""What one MPS control daemon is asked, through NVIDIA's own program: a run of it for each question.

    get_server_list            pids of servers: one per uid that has clients, none before the first
    get_server_status PID      INITIALIZING, ACTIVE, FAULT
    get_client_list PID        pids of the processes that compute through it
    quit                       end the servers, then the daemon

As in nvidia-cuda-mps-control(1) of driver 550. The program speaks to the daemon whose pipe directory its
environment names, and prints an answer a line; what is no answer of the kind is passed over.
"""

import asyncio
from collections.abc import Mapping

import msgspec

PROGRAM = "nvidia-cuda-mps-control"
LIMIT_S = 5.0
FAULT = "FAULT"


class Silent(Exception):
    """The daemon is not there, or does not answer in time. The text says which."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Who computes through the daemon's servers. `fault`: a client's error ended all of them, and until the last
    has gone nobody new gets in."""

    clients: frozenset[int] = frozenset()
    fault: bool = False


class Control:
    """`env` has the pipe directory."""

    def __init__(self, program: str, env: Mapping[str, str]) -> None:
        self._program = program
        self._env = dict(env)

    async def look(self) -> Seen:
        """Raises Silent."""
        clients: set[int] = set()
        fault = False
        for server in numbers(await self.ask("get_server_list")):
            fault = fault or FAULT in await self.ask(f"get_server_status {server}")
            clients |= numbers(await self.ask(f"get_client_list {server}"))
        return Seen(clients=frozenset(clients), fault=fault)

    async def ask(self, command: str) -> str:
        """What is printed. Raises Silent."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, env=self._env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Silent(f"{self._program} cannot be run: {error.strerror}") from None
        try:
            async with asyncio.timeout(LIMIT_S):
                said, _ = await process.communicate(f"{command}\n".encode())
        except TimeoutError:
            raise Silent(f"the MPS daemon did not answer `{command}` within {LIMIT_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = said.decode(errors="replace")
        if process.returncode:
            raise Silent(f"the MPS daemon refused `{command}`: {text.strip()[:200] or 'without a word'}")
        return text


def numbers(text: str) -> set[int]:
    """The lines that are a pid and nothing else."""
    return {int(line) for line in map(str.strip, text.splitlines()) if line.isdecimal()}
