"""What is sent to a host: named parts, their hashes, one archive.

A build is named by its version and the digest of its parts, so that two builds of one version are told apart, and a
host that has a build need not be sent it again.
"""

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal


@dataclass(frozen=True)
class Part:
    """One file."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Payload:
    """`form`: wheels for an environment of the host's own Python, or a bundle that brings its own."""

    form: Literal["environment", "bundle"]
    version: str
    parts: Sequence[Part]

    @cached_property
    def build(self) -> str:
        """The name of the directory on the host."""
        return f"{self.version}-{hashlib.sha256(self.sums.encode()).hexdigest()[:12]}"

    @cached_property
    def sums(self) -> str:
        """As `sha256sum -c` reads them."""
        return "".join(f"{part.sha256}  {part.name}\n" for part in sorted(self.parts, key=lambda part: part.name))

    @cached_property
    def archive(self) -> bytes:
        """A tar of all parts, which are compressed already."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for part in self.parts:
                entry = tarfile.TarInfo(part.name)
                entry.size, entry.mode = len(part.data), 0o644
                archive.addfile(entry, io.BytesIO(part.data))
        return out.getvalue()
