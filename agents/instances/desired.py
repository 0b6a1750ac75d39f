"""The desired document of the node on the disk: read with what a damaged disk leaves, replaced, never half.

replace(new) ──► desired.json ──► now           the disk refuses: the edit is refused with it,
             └──────────────────► now           but one that only stops holds in memory, and is
                                                written by `flush` once it can be
"""

import contextlib
import time
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from agents import state
from agents.events import EventLog
from agents.layout import Layout
from profiles.desired.model import Desired, DesiredInstance, Wanted
from profiles.observed.status import EventKind

OURSELVES = "gpuyard-agent"


class DesiredDocument:
    """Where the file is lost: `started` is what each instance was last started with, `kept` the newest revision.

    Raises BadState for a document that a newer version wrote.
    """

    def __init__(
        self,
        layout: Layout,
        events: EventLog,
        started: Mapping[str, DesiredInstance],
        kept: Desired | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = layout.desired
        self.unwritten = False
        """Whether the disk does not have `now` yet."""
        found = state.load(self._path, Desired)
        if isinstance(found, Desired):
            self.now = found
            return
        before = [one for one in (found.previous if found else None, kept) if one]
        self.now = rebuilt(max(before, key=lambda one: one.generation, default=None), started, wall())
        if self.now.generation:
            problem = found.problem if found else f"{self._path.name} is gone"
            text = f"{problem}: generation {self.now.generation} is rebuilt from what is known, nothing was stopped"
            events.append(EventKind.AGENT, text, code="state_damaged")
            self._write_or_hold()

    def replace(self, new: Desired) -> None:
        """`new` holds from now on, durable unless it is `unwritten`. Raises OSError, and then nothing changed."""
        try:
            state.save(self._path, new)
        except OSError:
            if not only_stops(self.now, new):
                raise
            self.now, self.unwritten = new, True
            return
        self.now, self.unwritten = new, False

    def flush(self) -> None:
        """Write what holds in memory only. Raises OSError when the disk still refuses."""
        if self.unwritten:
            state.save(self._path, self.now)
            self.unwritten = False

    def _write_or_hold(self) -> None:
        self.unwritten = True
        with contextlib.suppress(OSError):  # the next agent would rebuild it in the same way
            self.flush()


def only_stops(old: Desired, new: Desired) -> bool:
    """Does `new` ask for less of what `old` has, and for nothing else?"""
    if (new.cordons, new.standing) != (old.cordons, old.standing):
        return False
    for name, owned in new.instances.items():
        before = old.instances.get(name)
        same = before and replace(owned.spec, wanted=before.spec.wanted, drain_s=before.spec.drain_s) == before.spec
        if before is None or not same:
            return False
        if owned.spec.wanted is not before.spec.wanted and owned.spec.wanted is not Wanted.STOPPED:
            return False
    return True


def rebuilt(previous: Desired | None, started: Mapping[str, DesiredInstance], at_unix_s: float) -> Desired:
    """The document after its loss, from the newest that is known. What runs is not stopped by it.

    Two generations on: the number of the lost document must not be given out again.
    """
    if (previous is None or not previous.generation) and not started:
        return Desired()
    instances = dict(previous.instances) if previous else {}
    for name, owned in started.items():
        before = instances.get(name)
        if before is None or before.spec.launch_key() != owned.spec.launch_key():
            instances[name] = owned
    return Desired(
        generation=previous.generation + 2 if previous else 1,
        instances=instances,
        author=OURSELVES,
        reason="the document was lost and is rebuilt",
        at_unix_s=at_unix_s,
        cordons=previous.cordons if previous else {},
        standing=previous.standing if previous else {},
    )
