"""Where models lie: filesystem, free space, and how fast they can be read, which is most of an engine's start."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from agents.doctor.filesystems import GIB, under
from agents.doctor.ports import desired
from agents.doctor.speed import Speed, measure
from agents.doctor.subject import Subject
from profiles.observed.finding import Finding, info, ok, problem, warning

SLOW_MB_PER_S = 300.0
"""A model of 140 GB takes eight minutes at this rate."""

LOW_FREE_BYTES = 20 * GIB
WORTH_BYTES = 8 * 1024**2
"""A shorter file says nothing about a disk."""

ENTRIES_AT_MOST = 5000
DIRECTORIES_AT_MOST = 8


def look(subject: Subject) -> Iterator[Finding]:
    found = directories(subject, os.environ)
    if not found:
        yield info("model_directories", "no instance names a model file here, and there is no cache of models")
    for directory in found[:DIRECTORIES_AT_MOST]:
        yield from _one(subject, directory)


def directories(subject: Subject, environ: Mapping[str, str]) -> list[Path]:
    """Those of the models that instances name, and the caches of Hugging Face's hub that engines download into."""
    home = Path(environ.get("HOME") or "~").expanduser()
    found: list[Path] = []
    homes = [Path(environ.get("HF_HOME") or home / ".cache/huggingface")]
    for owned in desired(subject).instances.values():
        model = Path(owned.spec.model).expanduser()
        if model.is_absolute():
            found.append(model if model.is_dir() else model.parent)
        if isinstance(given := owned.spec.env.get("HF_HOME"), str):
            homes.append(Path(given))
    caches = [Path(environ["HF_HUB_CACHE"])] if environ.get("HF_HUB_CACHE") else [one / "hub" for one in homes]
    return list(dict.fromkeys([*found, *(cache for cache in caches if cache.is_dir())]))


def _one(subject: Subject, directory: Path) -> Iterator[Finding]:
    try:
        filesystem = under(subject, directory)
    except OSError as error:
        fix = "correct the model's path, or see its mount"
        yield problem("model_disk", f"{directory} cannot be read: {error.strerror}", fix)
        return
    text = f"{directory}: {filesystem.text}"
    if filesystem.free_bytes < LOW_FREE_BYTES:
        yield warning("model_disk", text, "make room, or the next download of a model ends half way")
    elif filesystem.is_network:
        yield warning("model_disk", text, "several engines that load at once share its link; a local disk is faster")
    else:
        yield ok("model_disk", text)
    yield _speed(directory)


def _speed(directory: Path) -> Finding:
    file = biggest_file(directory)
    if file is None:
        return info("model_read", f"{directory}: no file is large enough to measure its disk by")
    try:
        speed = measure(file)
    except OSError as error:
        fix = "see its rights, and the kernel's log for errors of the disk"
        return problem("model_read", f"{file} cannot be read: {error.strerror}", fix)
    return judge(directory, speed)


def judge(directory: Path, speed: Speed) -> Finding:
    text = f"{directory}: {speed.mb_per_s:,.0f} MB/s over {speed.read_bytes / 1e6:,.0f} MB"
    if not speed.bypassed:
        text += ", not past the page cache: it may be faster than its disk"
    if speed.mb_per_s < SLOW_MB_PER_S:
        return warning("model_read", text, "engines start slowly from it: put models on a faster disk")
    return ok("model_read", text)


def biggest_file(directory: Path) -> Path | None:
    """The largest plain file worth measuring among the first that are met; links are not followed."""
    best: tuple[int, Path] | None = None
    met = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            met += 1
            path = Path(folder, name)
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_size >= max(WORTH_BYTES, best[0] if best else 0):
                best = (found.st_size, path)
        if met >= ENTRIES_AT_MOST:
            break
    return best[1] if best else None
