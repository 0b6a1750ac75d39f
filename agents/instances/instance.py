"""The life of one instance as a table: which phase may follow which. Pure; the caller brings the time.

pending ─► starting ─► loading ─► ready ⇄ degraded, stalled, draining, sleeping ─► stopping ─► stopped
              └──────────┴──────────┴─► backoff, lost ─► pending …
                                    └─► failed                   until somebody edits it

The codes of the reasons that lead into each phase: agents.instances.reasons.
"""

from collections.abc import Mapping

import msgspec

from engines.base import LoadProgress
from profiles.observed.status import SERVES, Phase, Reason

_ENDS = frozenset({Phase.STOPPING, Phase.BACKOFF, Phase.LOST, Phase.FAILED})
_RUNS = SERVES | {Phase.SLEEPING}
_BEGINS = frozenset({Phase.PENDING, Phase.STARTING})
_RESTS = frozenset({Phase.STOPPED, Phase.FAILED})

NEXT: Mapping[Phase, frozenset[Phase]] = {
    # A daemon that starts anew finds engines in any state: its first step may lead anywhere.
    Phase.PENDING: frozenset(Phase) - {Phase.PENDING},
    Phase.STARTING: _ENDS | {Phase.LOADING},
    Phase.LOADING: _ENDS | {Phase.READY},
    **{phase: (_ENDS | _RUNS) - {phase} for phase in _RUNS},
    Phase.STOPPING: _BEGINS | _RESTS | {Phase.BACKOFF},
    Phase.STOPPED: _BEGINS,
    Phase.BACKOFF: _BEGINS | _RESTS,
    Phase.LOST: _BEGINS | _RESTS,
    # Stopping: somebody asks anew to end what survived the first time.
    Phase.FAILED: _BEGINS | {Phase.STOPPED, Phase.STOPPING},
}


class WrongTransition(ValueError):
    """A phase was asked for that cannot follow: a mistake in the caller."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """Where an instance is, since when and why; `load` only while it loads."""

    phase: Phase
    since_unix_s: float
    reason: Reason
    load: LoadProgress | None = None


def move(life: Life, phase: Phase, reason: Reason, at_unix_s: float) -> Life:
    """The life after a step. Staying in a phase keeps its beginning and takes the new reason.

    Raises WrongTransition.
    """
    if phase is life.phase:
        return msgspec.structs.replace(life, reason=reason)
    if phase not in NEXT[life.phase]:
        raise WrongTransition(f"{life.phase} cannot become {phase}")
    return Life(phase=phase, since_unix_s=at_unix_s, reason=reason)
