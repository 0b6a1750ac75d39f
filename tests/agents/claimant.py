"""Run as root: becomes another user, claims a GPU as an agent of his would, and keeps it until its stdin ends.

claimant.py UID PLACE GPU    prints "held", or who has it
"""

import os
import sys
from pathlib import Path

from agents.instances.claims import Claimed, Claims
from engines.devices import Slice
from profiles.gpu.ledger import Refusal, refusal
from profiles.observed.status import GpuReading


def refused(wanted: Slice, claimed: Claimed) -> Refusal | None:
    """As an agent would judge that sees nothing but claims."""
    claims = tuple(claimed.get(wanted.gpu_uuid, ()))
    gpu = GpuReading(uuid=wanted.gpu_uuid, index=wanted.gpu_index, name="H", memory_total_mib=80_000, claims=claims)
    return refusal([wanted], [gpu], {})


if __name__ == "__main__":
    uid, place, gpu = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
    claims = Claims(Path("/nowhere/state"), place=Path(place))
    wanted = Slice(gpu_uuid=gpu, gpu_index=0)
    taken = claims.take("chat/0", [wanted], lambda claimed: refused(wanted, claimed))
    print(taken.text if taken else "held", flush=True)
    sys.stdin.read()
