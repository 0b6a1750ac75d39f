"""Where nothing new is placed: a node, or some of its GPUs. What is there already stays and may start again. Pure.

Desired.cordons   GPU uuid, or NODE for the whole node ──► Cordon
"""

from collections.abc import Mapping

from msgspec.structs import replace

from profiles.desired.model import Cordon, DesiredInstance, InstanceSpec
from profiles.observed.status import Reason

NODE = ""
"""Stands for the whole node among the UUIDs."""

Cordons = Mapping[str, Cordon]


def called(key: str, cordon: Cordon) -> str:
    """`the node`, or `GPU 3`."""
    if key == NODE:
        return "the node"
    return f"GPU {key if cordon.gpu_index is None else cordon.gpu_index}"


def stamped(now: Cordons, wanted: Cordons, author: str, at_unix_s: float) -> dict[str, Cordon]:
    """`wanted`, with who did it and when; what is cordoned already stays as it is."""
    return {key: now.get(key) or replace(one, author=author, at_unix_s=at_unix_s) for key, one in wanted.items()}


def turned(old: Cordons, new: Cordons) -> list[str]:
    """What became of the cordons, in short: `cordoned GPU 3`."""
    cordoned = [f"cordoned {called(key, new[key])}" for key in sorted(new.keys() - old.keys())]
    return cordoned + [f"uncordoned {called(key, old[key])}" for key in sorted(old.keys() - new.keys())]


def refusal(cordons: Cordons, before: DesiredInstance | None, spec: InstanceSpec) -> Reason | None:
    """Why `spec` may not be placed there; None where nothing of it is new on what is cordoned."""
    if not cordons:
        return None
    held = set(before.spec.gpus()) if before else set()
    taken = [uuid for uuid in spec.gpus() if uuid not in held]
    if before is None or taken:
        for key in (NODE, *taken):
            if key in cordons:
                return why_not(key, cordons[key])
    return None


def why_not(key: str, cordon: Cordon) -> Reason:
    """Said to whoever would place something new there."""
    why = f" ({cordon.reason})" if cordon.reason else ""
    kind = "node" if key == NODE else "gpu"
    text = f"{called(key, cordon)} is cordoned by {cordon.author or 'nobody'}{why}: nothing new is placed there"
    return Reason("cordoned", text, f"choose another place, or `gpuyard {kind} uncordon` it")
