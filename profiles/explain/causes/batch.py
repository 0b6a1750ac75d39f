"""Its batch is as large as it may be while GPU and KV cache have room: a setting holds it back."""

from profiles.explain.cause import Cause, Cleared, Code, Finding
from profiles.explain.evidence import Evidence, Track
from profiles.explain.hurt import Hurt

LOOK_BACK = 30
ROOM_RATIO = 0.8


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    most = evidence.max_running
    running, waiting = _mean(evidence.own.get("running", ())), _mean(evidence.own.get("waiting", ()))
    if most is None or running is None or waiting is None:
        return None
    kv, busy = _mean(evidence.own.get("kv_usage_ratio", ())), _mean(evidence.gpu.get("busy_ratio", ()))
    full = running >= 0.95 * most and waiting >= 1
    if not full or hurt is None or (kv or 0.0) > ROOM_RATIO or (busy is not None and busy > ROOM_RATIO):
        return Cleared(Code.BATCH, f"{running:.0f} of {most:.0f} in the batch")
    first = _first_full(evidence, most)
    return Cause(
        code=Code.BATCH, who=evidence.subject, first_sign_unix_s=first, text="its batch is full, and the GPU is not",
        numbers=(f"{running:.0f} of {most:.0f} running, {waiting:.0f} waiting",
                 f"KV cache {kv or 0:.0%}" + ("" if busy is None else f", GPU {busy:.0%} busy")),
        score=0.75, follows=(Code.CHANGE,),
    )  # fmt: skip


def _first_full(evidence: Evidence, most: float) -> float:
    track = evidence.own["running"]
    step = next((step for step, value in enumerate(track) if value is not None and value >= 0.95 * most), 0)
    return evidence.axis.at(step)


def _mean(track: Track) -> float | None:
    known = [value for value in track[-LOOK_BACK:] if value is not None]
    return sum(known) / len(known) if known else None
