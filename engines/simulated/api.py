"""The OpenAI routes, and the few of vLLM's own that gpuyard asks for."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import msgspec

from engines.simulated.batch import Sequence
from engines.simulated.calls import Calls
from engines.simulated.core import Core
from engines.simulated.http import Exchange
from engines.simulated.settings import Settings

VERSION = "0.32.0+simulated"
CHARACTERS_PER_TOKEN = 4
WORDS = (
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "junco", "kelp", "lagoon", "moss",
)  # fmt: skip


class Message(msgspec.Struct, frozen=True):
    content: str = ""
    role: str = "user"


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class Ask(msgspec.Struct, frozen=True):
    """What is read of a completion request; everything else that OpenAI clients send is passed over."""

    model: str
    prompt: str | list[int] = ""
    messages: list[Message] = []
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def prompt_tokens(self) -> int:
        if isinstance(self.prompt, list):
            return max(1, len(self.prompt))
        characters = len(self.prompt) + sum(len(message.content) for message in self.messages)
        return max(1, characters // CHARACTERS_PER_TOKEN)


class Api:
    """Answers requests. `accepting` False refuses new completions while the running ones finish.

    `quiet` is set while no completion is being answered.
    """

    def __init__(self, settings: Settings, core: Core) -> None:
        self._settings = settings
        self._core = core
        self._calls = Calls(settings, core)
        self._numbers = itertools.count(1)
        self._answering = 0
        self.accepting = True
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def handle(self, exchange: Exchange) -> None:
        route = exchange.method, exchange.path
        if route == ("GET", "/health"):
            await exchange.reply(200, b"")
        elif route == ("GET", "/metrics"):
            await exchange.reply(200, self._core.page().encode(), "text/plain; version=0.0.4")
        elif route == ("GET", "/version"):
            await exchange.reply(200, msgspec.json.encode({"version": VERSION}))
        elif route == ("GET", "/v1/models"):
            names, tokens = (self._settings.name, *self._calls.adapters), self._settings.max_model_len
            models = [{"id": name, "object": "model", "max_model_len": tokens} for name in names]
            await exchange.reply(200, msgspec.json.encode({"object": "list", "data": models}))
        elif route in (("POST", "/v1/completions"), ("POST", "/v1/chat/completions")):
            await self._complete(exchange, chat="chat" in exchange.path)
        elif not await self._calls.answer(exchange):
            await _refuse(exchange, 404, "Not Found")

    async def _complete(self, exchange: Exchange, chat: bool) -> None:
        try:
            ask = msgspec.json.decode(exchange.body, type=Ask)
        except msgspec.DecodeError as error:
            return await _refuse(exchange, 400, str(error))
        if not self.accepting:
            return await _refuse(exchange, 503, "The server is shutting down.")
        if ask.model not in (self._settings.name, *self._calls.adapters):
            return await _refuse(exchange, 404, f"The model `{ask.model}` does not exist.")
        limit = self._core.batch.fits_tokens - ask.prompt_tokens
        wanted = ask.max_completion_tokens or ask.max_tokens or (limit if chat else 16)
        if limit < 1 or not 1 <= wanted <= limit:
            return await _refuse(exchange, 400, f"Prompt and answer must fit into {limit + ask.prompt_tokens} tokens.")
        answer = Answer(self._core, ask, wanted, chat, f"cmpl-{next(self._numbers)}")
        self._answering += 1
        self.quiet.clear()
        try:
            await (answer.stream(exchange) if ask.stream else answer.whole(exchange))
        finally:
            self._answering -= 1
            if not self._answering:
                self.quiet.set()
        return None


class Answer:
    """One completion on its way."""

    def __init__(self, core: Core, ask: Ask, max_tokens: int, chat: bool, request_id: str) -> None:
        self._core = core
        self._ask = ask
        self._chat = chat
        self._made: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
        self._sequence = Sequence(ask.prompt_tokens, max_tokens, lambda *made: self._made.put_nowait(made))
        kind = "chat.completion" if chat else "text_completion"
        self._head = {"id": request_id, "object": kind, "created": int(time.time()), "model": ask.model}

    async def stream(self, exchange: Exchange) -> None:
        head = {**self._head, "object": "chat.completion.chunk" if self._chat else "text_completion"}
        await exchange.begin(200, "text/event-stream")
        async for text, finished in self._texts():
            part = {"delta": {"content": text}} if self._chat else {"text": text}
            choice = {"index": 0, **part, "finish_reason": "length" if finished else None}
            await exchange.send(_event({**head, "choices": [choice]}))
        if self._ask.stream_options and self._ask.stream_options.include_usage:
            await exchange.send(_event({**head, "choices": [], "usage": self._usage()}))
        await exchange.send(b"data: [DONE]\n\n")
        await exchange.end()

    async def whole(self, exchange: Exchange) -> None:
        text = "".join([text async for text, _ in self._texts()])
        part = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **part, "finish_reason": "length"}
        await exchange.reply(200, msgspec.json.encode({**self._head, "choices": [choice], "usage": self._usage()}))

    async def _texts(self) -> AsyncIterator[tuple[str, bool]]:
        """The text of each step, and whether it is the last."""
        self._core.submit(self._sequence)
        sent, finished = 0, False
        try:
            while not finished:
                tokens, finished = await self._made.get()
                yield "".join(f" {WORDS[n % len(WORDS)]}" for n in range(sent, sent + tokens)), finished
                sent += tokens
        finally:
            self._core.batch.abort(self._sequence)

    def _usage(self) -> dict[str, int]:
        prompt, made = self._sequence.prompt_tokens, self._sequence.generated
        return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def _event(data: object) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


async def _refuse(exchange: Exchange, status: int, message: str) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": status}
    await exchange.reply(status, msgspec.json.encode({"error": error}))
