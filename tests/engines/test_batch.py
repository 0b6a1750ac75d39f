"""Continuous batching on a clock of its own: seats, cache, preemption, and what is counted."""

from engines.simulated.batch import Batch, Sequence
from engines.simulated.counters import Counters
from engines.simulated.settings import Settings


def made(**settings: float | int) -> tuple[Batch, Counters]:
    counters = Counters()
    plain = {"model": "m", "port": 1, "kv_cache_mib": 64, "kv_mib_per_token": 0.125, **settings}
    return Batch(Settings(**plain), counters), counters  # type: ignore[arg-type]


class Reader:
    """Takes what is delivered."""

    def __init__(self) -> None:
        self.tokens = 0
        self.finished = False

    def take(self, tokens: int, finished: bool) -> None:
        assert not self.finished
        self.tokens += tokens
        self.finished = finished


def submit(batch: Batch, prompt_tokens: int, max_tokens: int) -> Reader:
    reader = Reader()
    batch.submit(Sequence(prompt_tokens, max_tokens, reader.take), 0.0)
    return reader


def play(batch: Batch, steps: int = 10_000) -> float:
    """Step until nothing is left, or so many times; the time it took."""
    now_s = 0.0
    for _ in range(steps):
        step = batch.plan(now_s)
        if step is None:
            return now_s
        now_s += step.duration_s
        batch.finish(step, step.duration_s, now_s)
        assert batch.kv_usage_ratio <= 1
    return now_s


def test_everybody_gets_exactly_what_was_asked() -> None:
    batch, counters = made(max_num_seqs=4)
    readers = [submit(batch, 20 + n, 5 + n) for n in range(10)]
    play(batch)
    assert [reader.tokens for reader in readers] == [5 + n for n in range(10)]
    assert all(reader.finished for reader in readers)
    assert counters.generation_tokens == sum(5 + n for n in range(10))
    assert counters.prompt_tokens == sum(20 + n for n in range(10))
    assert counters.finished["length"] == 10
    assert batch.kv_usage_ratio == 0


def test_seats_are_limited() -> None:
    batch, _ = made(max_num_seqs=2)
    for _ in range(5):
        submit(batch, 10, 50)
    play(batch, steps=1)
    assert (len(batch.running), len(batch.waiting)) == (2, 3)


def test_a_full_cache_pushes_the_youngest_out_and_loses_nothing() -> None:
    batch, counters = made(kv_cache_mib=20)  # 160 tokens: 10 blocks
    readers = [submit(batch, 40, 60) for _ in range(3)]
    play(batch)
    assert counters.preemptions > 0
    assert [reader.tokens for reader in readers] == [60, 60, 60]
    assert counters.prompt_tokens == 120


def test_a_longer_prompt_and_a_larger_batch_cost_more() -> None:
    alone, _ = made()
    submit(alone, 10, 100)
    long, _ = made()
    submit(long, 400, 100)
    many, _ = made(kv_cache_mib=640)
    for _ in range(16):
        submit(many, 10, 100)
    assert play(alone) < play(long)
    assert play(alone) < play(many)


def test_the_same_seed_gives_the_same_times() -> None:
    times = []
    for seed in (1, 1, 2):
        batch, _ = made(seed=seed)
        submit(batch, 10, 100)
        times.append(play(batch))
    assert times[0] == times[1] != times[2]


def test_an_aborted_request_frees_its_place() -> None:
    batch, counters = made()
    sequence = Sequence(100, 100, Reader().take)
    batch.submit(sequence, 0.0)
    play(batch, steps=2)
    assert batch.kv_usage_ratio > 0
    batch.abort(sequence)
    batch.abort(sequence)
    assert batch.kv_usage_ratio == 0
    assert counters.finished["abort"] == 1


def test_a_long_prompt_is_read_in_pieces_between_the_tokens_of_others() -> None:
    whole, _ = made(prefill_tok_s=1000)
    batch, counters = made(prefill_tok_s=1000, max_num_batched_tokens=101)
    for one in (whole, batch):
        other = submit(one, 10, 20)
        one.finish(one.plan(0.0), 0.1, 0.1)  # type: ignore[arg-type]
        assert other.tokens == 1
    late, waited = submit(batch, 400, 5), submit(whole, 400, 5)
    for one in (whole, batch):
        step = one.plan(0.1)
        assert step is not None
        one.finish(step, step.duration_s, 0.2)
        assert step.duration_s > 0.38 if one is whole else step.duration_s < 0.15
    assert (late.tokens, waited.tokens) == (0, 1)
    play(batch)
    assert late.tokens == 5
    assert counters.prompt_tokens == 410
