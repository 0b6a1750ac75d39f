"""The wheel of this very installation, so that a host gets the build that the console is of.

Made anew from the installed files, always with the same bytes: fixed times, sorted names.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("agents", "console", "engines", "profiles")
_WHEEL = "Wheel-Version: 1.0\nGenerator: gpuyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_METADATA = ("METADATA", "entry_points.txt")
_TIME = (2000, 1, 1, 0, 0, 0)


def name() -> str:
    return f"gpuyard-{distribution('gpuyard').version}-py3-none-any.whl"


def build() -> bytes:
    """Raises OSError."""
    info = f"gpuyard-{distribution('gpuyard').version}.dist-info"
    contents = dict(_sources())
    contents[f"{info}/WHEEL"] = _WHEEL.encode()
    for file in _METADATA:
        contents[f"{info}/{file}"] = (distribution("gpuyard").read_text(file) or "").encode()
    record = f"{info}/RECORD"
    lines = [f"{file},sha256={_digest(data)},{len(data)}" for file, data in sorted(contents.items())]
    contents[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    return _zip(contents)


def _sources() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        place = Path(spec.origin).parent
        for path in sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{package}/{path.relative_to(place).as_posix()}", path.read_bytes()


def _zip(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in sorted(contents.items()):
            entry = zipfile.ZipInfo(file, _TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
