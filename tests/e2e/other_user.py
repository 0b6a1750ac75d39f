"""Run as root: imports what it needs, becomes another user, and is then a console's way to the agent.

    other_user.py UID GID GROUP socket PATH          stdin and stdout to the socket, as a forwarding sshd would
    other_user.py UID GID GROUP agent WORDS…         gpuyard-agent, as that user

The interpreter may lie where that user cannot go, so nothing is imported afterwards.
"""

import asyncio
import concurrent.futures.thread
import contextlib
import encodings.idna
import importlib.metadata
import locale
import os
import socket
import sys
import threading

import agents.access.audit.command
import agents.attach
import agents.daemon
import agents.talk
from agents.__main__ import build_parser, main
from engines import registry

USED_LATER = (
    concurrent.futures.thread, encodings.idna, locale, agents.attach, agents.access.audit.command, agents.daemon,
    agents.talk,
)  # fmt: skip
build_parser().format_help()
importlib.metadata.version("gpuyard")
for name in registry.names():
    registry.get(name)
asyncio.run(asyncio.to_thread(lambda: None))


def relay(path: str) -> None:
    """Both ways until either side closes."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    threading.Thread(target=lambda: send(connection), daemon=True).start()
    while data := connection.recv(65536):
        os.write(1, data)


def send(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the agent may close first
        while data := os.read(0, 65536):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    uid, gid, group, what, *words = sys.argv[1:]
    os.setgroups([int(group)] if int(group) else [])
    os.setgid(int(gid))
    os.setuid(int(uid))
    if what == "socket":
        relay(words[0])
    else:
        sys.exit(main(words))
