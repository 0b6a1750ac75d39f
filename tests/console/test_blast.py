"""What a person reads before a process is ended."""

import pytest

from console.render.blast import blast
from profiles.observed.processes import NodeProcess, ProcessKind
from tests.fakes.fleet import filled

WHISPER = NodeProcess(pid=41822, name="whisper", user="bob", gpus=(5,), memory_mib=31_900, age_s=134.0)
ENGINE = NodeProcess(
    pid=4, kind=ProcessKind.OURS, name="vllm", user="serve", gpus=(0, 1), memory_mib=140_000, instance="llama-70b/0"
)
ORPHAN = NodeProcess(pid=7, kind=ProcessKind.ORPHAN, name="python", user="serve", instance="gone/0")


@pytest.mark.parametrize(
    ("node", "one", "said"),
    [
        (
            "fra-2", WHISPER,
            "fra-2/41822 whisper of bob: 31.2 GiB on GPU 5 comes back. "
            "None of gpuyard's: what it did in 2m14s is lost, and nobody starts it anew.",
        ),
        (
            "fra-1", ENGINE,
            "fra-1/4 vllm of serve: 136.7 GiB on GPU 0,1 comes back. Of llama-70b/0, which runs: "
            "it loses 61 requests in flight and is started anew; to end it, stop llama-70b/0.",
        ),
        (
            "ams-1", ORPHAN,
            "ams-1/7 python of serve: holds no GPU. Left behind by gone/0, which does not run: nothing else ends it.",
        ),
    ],
)  # fmt: skip
def test_whose_how_much_and_what_is_lost(node: str, one: NodeProcess, said: str) -> None:
    assert blast(filled(), node, one) == said


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    said = blast(filled(), "ams-1", NodeProcess(pid=9, gpus=(0,)))
    assert said.startswith("ams-1/9 unknown of an unknown user: an unknown amount of memory on GPU 0 comes back.")
    assert "its work is lost" in said
    loading = NodeProcess(pid=9, kind=ProcessKind.OURS, instance="llama-70b/2")
    assert "it loses an unknown number of requests in flight" in blast(filled(), "ams-1", loading)
