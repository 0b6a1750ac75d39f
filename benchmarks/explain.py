"""How often the verdict is right on seeded worlds: `python -m benchmarks.explain [SCENARIOS]`.

Precision: of the causes named first, how many were the right one. Recall: of the worlds that something befell, how many
had it named first. A calm world counts for precision alone: whatever is named there is wrong.
"""

import sys
from collections import Counter

from profiles.explain.cause import Code, Confidence
from profiles.explain.verdict import explain
from tests.profiles.worlds import BEFALLS, world

FIRST_SEED = 1000


def main(scenarios: int) -> None:
    codes: list[Code | None] = [*BEFALLS, None]
    right = named = befell = sure_and_wrong = 0
    late_s: list[float] = []
    missed: Counter[str] = Counter()
    for at in range(scenarios):
        code = codes[at % len(codes)]
        made = world(FIRST_SEED + at, code)
        causes = explain(made.evidence()).causes
        first = causes[0] if causes else None
        befell += code is not None
        named += first is not None
        if first is not None and first.code is code:
            right += 1
            if code is not Code.CHANGE:  # its sign is the edit, and its effect may take a while
                late_s.append(abs(first.first_sign_unix_s - made.at_unix_s))
        elif code is not None or first is not None:
            missed[f"seed {FIRST_SEED + at}: {code or 'calm'} taken for {first.code if first else 'nothing'}"] += 1
        sure_and_wrong += sum(one.confidence is Confidence.HIGH and one.code is not code for one in causes)
    print(f"{scenarios} worlds, seeds {FIRST_SEED}–{FIRST_SEED + scenarios - 1}: {befell} befallen, the others calm")
    print(f"precision {right / named:.3f}   recall {right / befell:.3f}   wrong with high confidence {sure_and_wrong}")
    late_s.sort()
    print(f"first sign off by {late_s[len(late_s) // 2]:.1f} s (median), {late_s[int(0.95 * len(late_s))]:.1f} s (p95)")
    print("\n".join(missed))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
