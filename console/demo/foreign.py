"""`python -m console.demo.foreign DIRECTORY GPU_UUID [INSTANCE]`: a process that the agent did not start on one GPU.

Somebody else's takes a share of it; what INSTANCE left behind does nothing, and holds its memory.
"""

import os
import signal
import sys
from pathlib import Path

from msgspec.structs import replace

from engines.simulated_device import Claim, claim_file, encode_claim

NAME = "whisper"
LEFT_NAME = "VLLM::EngineCore"
USER = "bob"
MEMORY_MIB = 9_000
DEMAND_RATIO = 2.0
"""It keeps two streams of kernels under way without a pause."""


def main() -> None:
    directory, gpu_uuid, left_by = Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    claim = Claim(pid=os.getpid(), name=NAME, user=USER, gpus={gpu_uuid: MEMORY_MIB}, demand_ratio=DEMAND_RATIO)
    if left_by is not None:
        claim = replace(claim, name=LEFT_NAME, user="", demand_ratio=0.0, instance=left_by)
    path = directory / claim_file(claim.pid)
    draft = path.with_suffix(".new")
    draft.write_bytes(encode_claim(claim))
    draft.replace(path)
    signal.pause()  # a claim counts for as long as its process lives


if __name__ == "__main__":
    main()
