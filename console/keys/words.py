"""What can be typed after `:`. The words are those of the command line, so that what is learnt here works there.

:gpus util>90     a place, and what its filter shows        :node fra-1     a page        :stop chat/0     a plan
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from console.naming import all_called
from console.store import Kind, Store


class Takes(StrEnum):
    """What a word is followed by."""

    NOTHING = ""
    FILTER = "[FILTER]"
    NODE = "NODE"
    PLACE = "NODE|NODE/0"
    GPU = "NODE/0"
    PROCESS = "NODE/PID"
    SERVICE = "SERVICE"
    SCALED = "SERVICE N"
    INSTANCE = "INSTANCE"
    INSTANCES = "NAME …"
    SETTINGS = "NAME … KEY=VALUE … KEY-"
    MOVES = "NAME … [--to NODE]"
    PROFILE = "PROFILE"
    FILE = "NAME"
    REVISION = "PROFILE REV"
    PAST = "NODE|PROFILE"
    CONTEXT = "[CONTEXT]"


class Word(NamedTuple):
    word: str
    takes: Takes
    text: str


PAGES = (
    Word("node", Takes.NODE, "all of a node"),
    Word("gpu", Takes.GPU, "all of a GPU, and who hurts whom there"),
    Word("service", Takes.SERVICE, "all of a service"),
    Word("instance", Takes.INSTANCE, "all of an instance"),
    Word("process", Takes.PROCESS, "all of a process"),
    Word("profile", Takes.PROFILE, "the revisions of a profile"),
    Word("logs", Takes.INSTANCE, "the log of an instance"),
    Word("ssh", Takes.NODE, "a shell on a node"),
)
CHANGES = (
    Word("start", Takes.INSTANCES, "plan to start what is stopped or failed"),
    Word("stop", Takes.INSTANCES, "plan to stop, after what runs has finished"),
    Word("drain", Takes.INSTANCES, "plan to hold it empty, its model loaded"),
    Word("restart", Takes.INSTANCES, "plan to stop and start anew"),
    Word("sleep", Takes.INSTANCES, "plan to give its GPU memory back and keep the process"),
    Word("wake", Takes.INSTANCES, "plan to take the memory again and serve"),
    Word("scale", Takes.SCALED, "plan so many replicas"),
    Word("set", Takes.SETTINGS, "plan other keys of what runs"),
    Word("move", Takes.MOVES, "plan to run it on other GPUs"),
    Word("cordon", Takes.PLACE, "plan to place nothing new there"),
    Word("uncordon", Takes.PLACE, "plan to take that back"),
    Word("down", Takes.PROFILE, "plan to take a profile off every node"),
    Word("plan", Takes.FILE, "plan what a profile's file says"),
    Word("undo", Takes.PAST, "plan the way back from the last change"),
    Word("rollback", Takes.REVISION, "plan the way to a revision"),
)
OTHERS = (
    Word("ctx", Takes.CONTEXT, "another inventory of contexts.yaml; alone, which there are"),
    Word("help", Takes.NOTHING, "the keys of this screen"),
    Word("capsule", Takes.NOTHING, "the last 15 minutes of all nodes in one file"),
    Word("quit", Takes.NOTHING, "leave; engines go on"),
)


class Vocabulary(NamedTuple):
    """All words, and where names come from that are not in the store."""

    words: tuple[Word, ...]
    files: Callable[[], Iterable[str]] = tuple
    """The profiles that have a file."""
    contexts: Callable[[], Iterable[str]] = tuple

    def find(self, word: str) -> Word | None:
        return next((one for one in self.words if one.word == word), None)


def complete(store: Store, known: Vocabulary, line: str) -> list[str]:
    """Whole lines that begin with `line`, the likeliest first."""
    *before, last = line.split(" ")
    if not before:
        return [one.word for one in known.words if one.word.startswith(last)]
    word = known.find(before[0])
    if word is None or (len(before) > 1 and word.takes not in _SEVERAL):
        return []
    head = " ".join(before)
    return [f"{head} {name}" for name in names(store, known, word.takes) if name.startswith(last)]


def names(store: Store, known: Vocabulary, takes: Takes) -> Iterator[str]:
    """What may follow, as far as it is known."""
    for kind in _KINDS.get(takes, ()):
        yield from all_called(store, kind)
    if takes is Takes.FILE:
        yield from known.files()
    elif takes is Takes.CONTEXT:
        yield from known.contexts()


_SEVERAL = (Takes.INSTANCES, Takes.SETTINGS, Takes.MOVES)
_KINDS: dict[Takes, Sequence[Kind]] = {
    Takes.NODE: (Kind.NODE,),
    Takes.PLACE: (Kind.NODE, Kind.GPU),
    Takes.GPU: (Kind.GPU,),
    Takes.PROCESS: (Kind.PROCESS,),
    Takes.SERVICE: (Kind.SERVICE,),
    Takes.SCALED: (Kind.SERVICE,),
    Takes.INSTANCE: (Kind.INSTANCE,),
    Takes.INSTANCES: (Kind.SERVICE, Kind.INSTANCE),
    Takes.SETTINGS: (Kind.SERVICE, Kind.INSTANCE),
    Takes.MOVES: (Kind.SERVICE, Kind.INSTANCE, Kind.NODE),
    Takes.PROFILE: (Kind.PROFILE,),
    Takes.REVISION: (Kind.PROFILE,),
    Takes.PAST: (Kind.NODE, Kind.PROFILE),
}
