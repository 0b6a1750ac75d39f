"""A bundle for whoever helps: text files in a compressed tar, scrubbed. In memory: the caller writes it."""

import io
import tarfile
from collections.abc import Mapping

from profiles.text.scrub import scrub


def scrubbed(files: Mapping[str, str]) -> dict[str, bytes]:
    """By name, in order."""
    return {name: scrub(text).encode("utf-8", "replace") for name, text in sorted(files.items())}


def packed(files: Mapping[str, bytes], at_unix_s: float) -> bytes:
    """A .tar.gz; readable by its owner alone once it is unpacked."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"gpuyard-bundle/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(at_unix_s), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def contents(files: Mapping[str, bytes]) -> list[str]:
    """A line a file: what is inside, for people to read before it is written."""
    return [f"{len(content):>9,} bytes  {name}" for name, content in files.items()]
