"""`python -m console.demo.foreign DIRECTORY GPU_UUID`: somebody else's process that takes a share of one GPU."""

import os
import signal
import sys
from pathlib import Path

from engines.simulated_device import Claim, claim_file, encode_claim

NAME = "whisper"
USER = "bob"
MEMORY_MIB = 9_000
DEMAND_RATIO = 2.0
"""It keeps two streams of kernels under way without a pause."""


def main() -> None:
    directory, gpu_uuid = Path(sys.argv[1]), sys.argv[2]
    claim = Claim(pid=os.getpid(), name=NAME, user=USER, gpus={gpu_uuid: MEMORY_MIB}, demand_ratio=DEMAND_RATIO)
    path = directory / claim_file(claim.pid)
    draft = path.with_suffix(".new")
    draft.write_bytes(encode_claim(claim))
    draft.replace(path)
    signal.pause()  # a claim counts for as long as its process lives


if __name__ == "__main__":
    main()
