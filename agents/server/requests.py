"""Requests of one connection: several at a time, each with its deadline, each answered exactly once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from agents import wire
from agents.access.caller import Caller
from agents.errors import Refused
from agents.limits import Bucket
from agents.server.node import Node
from agents.server.verbs import carry_out

MAX_DEADLINE_S = 60.0

logger = logging.getLogger(__name__)


class Requests:
    """Those of `caller`; each answer leaves by `send`."""

    def __init__(
        self,
        node: Node,
        caller: Caller,
        send: Callable[[wire.AnyFrame], Awaitable[None]],
        group: asyncio.TaskGroup,
    ) -> None:
        self._node = node
        self._caller = caller
        self._send = send
        self._group = group
        self._in_flight: dict[int, wire.AnyAsk] = {}
        self._limits = node.limits
        self._rate = Bucket(self._limits.requests_per_s, self._limits.requests_burst)

    async def take(self, request: wire.Request) -> None:
        """Begin to answer, or refuse at once."""
        if refusal := self._too_much(request):
            await self._fail(request, refusal)
        else:
            self._in_flight[request.id] = request.body
            self._group.create_task(self._answer(request))

    def _too_much(self, request: wire.Request) -> Refused | None:
        limits = self._limits
        if request.id in self._in_flight:
            return Refused("invalid", f"request {request.id} is still in flight")
        if len(self._in_flight) >= limits.in_flight:
            return Refused("busy", f"{limits.in_flight} requests are in flight", "ask again when one is answered")
        logs = sum(isinstance(ask, wire.ReadLog) for ask in self._in_flight.values())
        if isinstance(request.body, wire.ReadLog) and logs >= limits.logs_in_flight:
            return Refused("busy", f"{logs} logs are being read", "ask again when one is answered")
        if wait_s := self._rate.take():
            text = f"more than {limits.requests_per_s:g} requests a second"
            return Refused("busy", text, f"ask again in {wait_s:.1f} s", retry_after_s=wait_s)
        return None

    async def _answer(self, request: wire.Request) -> None:
        try:
            async with asyncio.timeout(min(max(request.deadline_s, 0.0), MAX_DEADLINE_S)):
                body = await carry_out(self._node, self._caller, request.body)
        except TimeoutError:
            await self._fail(request, Refused("timeout", f"not done within {request.deadline_s:g} s"))
        except Refused as refusal:
            await self._fail(request, refusal)
        except OSError as error:
            logger.error("request %d failed: %s", request.id, error)
            text = f"the node's disk refused ({error.strerror or error}): nothing was changed"
            await self._fail(request, Refused("unavailable", text, "free space there; stop goes on working"))
        else:
            await self._send(wire.Reply(id=request.id, body=body))
        finally:
            del self._in_flight[request.id]

    async def _fail(self, request: wire.Request, refusal: Refused) -> None:
        await self._send(
            wire.Failure(
                id=request.id,
                code=refusal.code,
                message=refusal.message,
                hint=refusal.hint,
                retry_after_s=refusal.retry_after_s,
            )
        )
