"""Run one simulated engine: load, serve, and on SIGTERM let the running requests finish, then exit 0."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine

from engines.simulated.api import Api
from engines.simulated.core import Core
from engines.simulated.device import Device, NoSuchGpu, OutOfMemory
from engines.simulated.http import serve_connection
from engines.simulated.loading import load, say, sized
from engines.simulated.mps import NotReady
from engines.simulated.settings import Settings, read


def main() -> int:
    settings = read(sys.argv[1:])
    device = None
    try:
        device = Device(settings.directory, settings.gpus, settings.instance)
        return asyncio.run(_run(sized(settings, device), device))
    except OutOfMemory as error:
        return _fail(f"torch.OutOfMemoryError: {error}")
    except NotReady as error:
        return _fail(f"RuntimeError: {error}")
    except (NoSuchGpu, OSError) as error:
        return _fail(f"{type(error).__name__}: {error}")
    finally:
        if device:
            device.withdraw()


async def _run(settings: Settings, device: Device) -> int:
    stop = _stop_signal(settings)
    if not await _first(load(settings, device), stop):
        return 0
    core = Core(settings, device)
    api = Api(settings, core)
    server = await asyncio.start_server(
        lambda reader, writer: serve_connection(reader, writer, api.handle), settings.host, settings.port
    )
    say(f"Starting vLLM server on http://{settings.host}:{settings.port}")
    say("Application startup complete.")
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(core.step_forever()), group.create_task(core.live_forever())]
        await stop.wait()
        say("Shutting down")
        server.close()
        api.accepting = False
        await _drain(api, settings.shutdown_timeout)
        for task in running:
            task.cancel()
    return 0


def _stop_signal(settings: Settings) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    if settings.ignore_sigterm:
        loop.add_signal_handler(signal.SIGTERM, say, "simulated: ignoring SIGTERM")
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    return stop


async def _first(work: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Whether the work was done before the stop came."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    done = working.done()
    for task in (working, stopping):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return done


async def _drain(api: Api, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await api.quiet.wait()


def _fail(text: str) -> int:
    print(f"(EngineCore pid={os.getpid()}) ERROR {text}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
