"""Run as root: becomes another user, claims a GPU as an agent of his would, and keeps it until its stdin ends.

claimant.py UID PLACE GPU    prints "held", or who has it
"""

import os
import sys
from pathlib import Path

from agents.instances.claims import Claims
from engines.devices import Slice

if __name__ == "__main__":
    uid, place, gpu = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
    claims = Claims(Path("/nowhere/state"), place=Path(place))
    taken = claims.take("chat/0", [Slice(gpu_uuid=gpu, gpu_index=0)])
    print(taken.text() if taken else "held", flush=True)
    sys.stdin.read()
