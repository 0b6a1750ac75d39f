"""Continuous batching without a clock: who is in the batch, what a step costs, what it yields.

    submit ──► waiting ──admit (seats, blocks)──► running ──step──► tokens … finished
                  ▲──────── preempt (cache full) ────┘

A step reads the prompts of those newly admitted, or as much of them as `max_num_batched_tokens` leaves room for, and
makes one token for everybody whose prompt is read. Quiet stretches of pure decoding are taken several steps at a time,
so that a busy engine still wakes seldom.
"""

import math
from collections import deque
from collections.abc import Callable
from random import Random

from engines.simulated.counters import Counters
from engines.simulated.settings import Settings

BLOCK_TOKENS = 16
STRETCH_S = 0.1
JITTER_RATIO = 0.05


class Sequence:
    """One request. `deliver(tokens, finished)` is called after each step that made tokens for it."""

    def __init__(self, prompt_tokens: int, max_tokens: int, deliver: Callable[[int, bool], None]) -> None:
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.deliver = deliver
        self.arrived_s = 0.0
        self.generated = 0
        self.unread = prompt_tokens
        self.queued = True

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.generated


class Step:
    """What is being computed now: of prompts the `pieces`, and `tokens` for each member whose prompt is read then, in
    `duration_s` on an undisturbed GPU."""

    def __init__(self, members: list[Sequence], pieces: dict[Sequence, int], tokens: int, duration_s: float) -> None:
        self.members = members
        self.pieces = pieces
        self.tokens = tokens
        self.duration_s = duration_s


class Batch:
    """The scheduler and its cache. Times are of any one monotonic clock, given by the caller."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._random = Random(settings.seed)
        self.blocks = max(1, int(settings.kv_cache_mib / settings.kv_mib_per_token / BLOCK_TOKENS))
        self.running: list[Sequence] = []
        self.waiting: deque[Sequence] = deque()

    @property
    def kv_usage_ratio(self) -> float:
        return self._held() / self.blocks

    @property
    def fits_tokens(self) -> int:
        """The longest sequence, prompt and answer, that can ever be served."""
        return min(self._settings.max_model_len, self.blocks * BLOCK_TOKENS)

    def submit(self, sequence: Sequence, now_s: float) -> None:
        sequence.arrived_s = now_s
        self.waiting.append(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Forget a request whose client went away; harmless once it has finished."""
        if sequence in self.running:
            self.running.remove(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        else:
            return
        self._counters.finished["abort"] += 1

    def plan(self, now_s: float) -> Step | None:
        """Admit whom there is room for and say what the next step is; None with nothing to do."""
        self._admit(now_s)
        if not self.running:
            return None
        tokens = 1 if any(member.unread for member in self.running) else self._stretch()
        self._make_room(tokens)
        pieces = self._pieces()
        prefill_s = sum(pieces.values()) / self._settings.prefill_tok_s
        jitter = 1 + self._random.uniform(-JITTER_RATIO, JITTER_RATIO)
        return Step(list(self.running), pieces, tokens, (prefill_s + tokens * self._decode_s()) * jitter)

    def finish(self, step: Step, took_s: float, now_s: float) -> None:
        """Hand out the tokens of a step that took `took_s`, slowed by whatever else the GPU did."""
        for member in step.members:
            if member in self.running:
                member.unread -= step.pieces.get(member, 0)
                if not member.unread:
                    self._advance(member, step.tokens, took_s / step.tokens, now_s)

    def _advance(self, member: Sequence, tokens: int, token_s: float, now_s: float) -> None:
        first = member.generated == 0
        if first:
            self._counters.prompt_tokens += member.prompt_tokens
            self._counters.ttft.observe(now_s - member.arrived_s)
        member.generated += tokens
        self._counters.generation_tokens += tokens
        if tokens > first:
            self._counters.itl.observe(token_s, tokens - first)
        finished = member.generated >= member.max_tokens
        if finished:
            self.running.remove(member)
            self._counters.finished["length"] += 1
            self._counters.e2e.observe(now_s - member.arrived_s)
        member.deliver(tokens, finished)

    def _admit(self, now_s: float) -> None:
        while self.waiting and len(self.running) < self._settings.max_num_seqs:
            candidate = self.waiting[0]
            if self._held() + _blocks(candidate.tokens + 1) > self.blocks:
                return
            self.running.append(self.waiting.popleft())
            if candidate.queued:
                candidate.queued = False
                self._counters.queue.observe(now_s - candidate.arrived_s)

    def _make_room(self, tokens: int) -> None:
        """Push out the youngest until the others' next tokens fit; they compute their prompt anew later."""
        while len(self.running) > 1 and self._held(tokens) > self.blocks:
            victim = self.running.pop()
            victim.unread = victim.tokens
            self.waiting.appendleft(victim)
            self._counters.preemptions += 1

    def _pieces(self) -> dict[Sequence, int]:
        """How much is read of whose prompt; a token at least, so that it goes on in any case."""
        most = self._settings.max_num_batched_tokens
        if most is None:
            return {member: member.unread for member in self.running if member.unread}
        left = max(1, most - sum(not member.unread for member in self.running))
        pieces: dict[Sequence, int] = {}
        for member in self.running:
            if member.unread and left:
                pieces[member] = min(member.unread, left)
                left -= pieces[member]
        return pieces

    def _stretch(self) -> int:
        shortest = min(member.max_tokens - member.generated for member in self.running)
        return max(1, min(shortest, math.floor(STRETCH_S / self._decode_s())))

    def _decode_s(self) -> float:
        return (self._settings.decode_base_ms + self._settings.decode_per_seq_ms * len(self.running)) / 1000

    def _held(self, more_tokens: int = 0) -> int:
        return sum(_blocks(member.tokens + more_tokens) for member in self.running)


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK_TOKENS)
