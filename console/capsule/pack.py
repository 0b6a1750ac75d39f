"""A capsule as a file: a zip of one manifest and one JSON document a node, secrets taken out.

    capsule.zip    manifest.json        format, version, window, which document is of which node, what was left out
                   nodes/0000.json      NodeCapsule

The version grows when a reader of before would show something wrong; new fields alone have defaults.
"""

import io
import os
import time
import zipfile
import zlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents.wire import History, RevisionDocument, Revisions
from console.remote.clean import clean_json
from profiles.desired.model import Desired
from profiles.observed.history import HistoryKind
from profiles.observed.status import Event, NodeStatus
from profiles.text.document import FileError
from profiles.text.scrub import scrub_tree

FORMAT, VERSION = "gpuyard-capsule", 1
LIMIT_BYTES = 64 * 1024 * 1024
"""Of the file: what a ticket takes."""
UNPACKED_LIMIT_BYTES = 1024 * 1024 * 1024

_MANIFEST = "manifest.json"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError,
           msgspec.DecodeError, UnicodeDecodeError)  # fmt: skip
"""What zipfile of Python 3.11 raises for a file that is damaged, encrypted or compressed in another way."""


class NodeCapsule(msgspec.Struct, frozen=True, kw_only=True):
    """What one node said of the window; all times but `clock_skew_s` are of its own clock."""

    name: str
    site: str = ""
    labels: dict[str, str] = {}
    owner: str = ""
    clock_skew_s: float = 0.0
    """The node's clock minus that of the console which wrote this."""
    status: NodeStatus
    desired: Desired
    events: tuple[Event, ...] = ()
    history: dict[HistoryKind, tuple[History, ...]] = {}
    latencies: tuple[History, ...] = ()
    """Histograms of instances."""
    revisions: Revisions = Revisions(revisions=())
    documents: tuple[RevisionDocument, ...] = ()
    """Those of the window, and the one that stood when it began."""
    logs: dict[str, str] = {}
    """Instance → the last of its log."""


class Capsule(msgspec.Struct, frozen=True, kw_only=True):
    """Times are of the clock of the console that wrote it."""

    from_unix_s: float
    to_unix_s: float
    nodes: tuple[NodeCapsule, ...]
    left_out: tuple[str, ...] = ()
    """What is not in it, and why, in sentences."""


class _Head(msgspec.Struct, frozen=True):
    """All that a reader of any version understands."""

    format: str
    version: int


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    from_unix_s: float
    to_unix_s: float
    files: dict[str, str]
    """Node → its document."""
    left_out: tuple[str, ...] = ()


class TooLarge(Exception):
    """Even without logs and profiles it is over LIMIT_BYTES."""


def packed(capsule: Capsule, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The file. One that would be too large has no logs and no profiles, and says so. Raises TooLarge."""
    content = _zipped(capsule)
    if len(content) > limit_bytes:
        said = (*capsule.left_out, f"logs and profiles: it would be larger than {limit_bytes // 1024**2} MiB")
        short = tuple(replace(node, logs={}, documents=()) for node in capsule.nodes)
        content = _zipped(replace(capsule, nodes=short, left_out=said))
    if len(content) > limit_bytes:
        raise TooLarge
    return content


def write(path: Path, content: bytes) -> None:
    """A new file that its owner alone reads. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def usual_name(at_unix_s: float) -> str:
    return time.strftime("gpuyard-capsule-%Y%m%d-%H%M%S.zip", time.localtime(at_unix_s))


def load(path: Path) -> Capsule:
    """Raises FileError for what is no capsule, damaged, or of a later version."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > UNPACKED_LIMIT_BYTES:
                raise FileError(str(path), 0, 0, "it unpacks to more than 1 GiB: no capsule does", "look at its source")
            return _unzipped(archive, path)
    except OSError as error:
        raise FileError(str(path), 0, 0, f"it cannot be read: {error.strerror}") from None
    except _BROKEN:
        raise FileError(
            str(path), 0, 0, "it is damaged, or no capsule", "copy it again from where it was made"
        ) from None


def _unzipped(archive: zipfile.ZipFile, path: Path) -> Capsule:
    text = clean_json(archive.read(_MANIFEST))
    head = msgspec.json.decode(text, type=_Head)
    if head.format != FORMAT:
        raise FileError(str(path), 0, 0, "it is no capsule", "`gpuyard capsule` makes one")
    if head.version > VERSION:
        say = f"it is a capsule of version {head.version}, and this gpuyard reads up to {VERSION}"
        raise FileError(str(path), 0, 0, say, "open it with the gpuyard that made it, or a later one")
    manifest = msgspec.json.decode(text, type=_Manifest)
    documents = (clean_json(archive.read(file)) for file in manifest.files.values())
    nodes = tuple(msgspec.json.decode(document, type=NodeCapsule) for document in documents)
    return Capsule(
        from_unix_s=manifest.from_unix_s, to_unix_s=manifest.to_unix_s, nodes=nodes, left_out=manifest.left_out
    )


def _zipped(capsule: Capsule) -> bytes:
    files = {node.name: f"nodes/{at:04}.json" for at, node in enumerate(capsule.nodes)}
    manifest = _Manifest(
        format=FORMAT, version=VERSION, from_unix_s=capsule.from_unix_s, to_unix_s=capsule.to_unix_s,
        files=files, left_out=capsule.left_out,
    )  # fmt: skip
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        for node in capsule.nodes:
            archive.writestr(files[node.name], _scrubbed(node))
    return held.getvalue()


def _scrubbed(node: NodeCapsule) -> bytes:
    """Readings over time are numbers by names that stand elsewhere too: only the rest is looked through."""
    told = msgspec.to_builtins(replace(node, history={}, latencies=()))
    clean = msgspec.convert(scrub_tree(told), NodeCapsule)
    return msgspec.json.encode(replace(clean, history=node.history, latencies=node.latencies))
