"""`gpuyard export [--listen 127.0.0.1:9400]`: metrics of the fleet for Prometheus, until it is interrupted."""

import argparse
import asyncio
import ipaddress

from console.cli.output import CommandFailed, Exit, say
from console.cli.session import inventory_of, reached
from console.exporting import fleet_page, listen
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    host, port = address(options.listen)
    return asyncio.run(_run(options, host, port))


def address(text: str) -> tuple[str, int]:
    """Of `HOST:PORT` or `[::1]:PORT`. Raises CommandFailed."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        hint = "as in `--listen 127.0.0.1:9400`"
        raise CommandFailed(Exit.USAGE, Reason("usage", f"{text} is no address and port", hint))
    return host, int(port)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _run(options: argparse.Namespace, host: str, port: int) -> Exit:
    async with reached(inventory_of(options)) as found:
        if options.once:
            print(fleet_page(found.store), end="")
            return found.say_lost()
        try:
            server = await listen(found.store, host, port)
        except OSError as error:
            reason = Reason("listen", f"cannot listen on {options.listen}: {error.strerror}", "choose another address")
            raise CommandFailed(Exit.FAILED, reason) from None
        async with server:
            if not is_loopback(host):
                say(f"whoever reaches {host} reads these metrics: there is no login — put a proxy with one before it")
            shown = f"[{host}]" if ":" in host else host
            say(f"metrics at http://{shown}:{server.sockets[0].getsockname()[1]}/metrics")
            found.say_lost()
            await server.serve_forever()
    return Exit.DONE
