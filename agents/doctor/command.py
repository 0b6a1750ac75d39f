"""`gpuyard-agent doctor`: the check-up on the machine itself, with or without a daemon."""

import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path

import msgspec

from agents.doctor.examiner import Examiner
from agents.doctor.gathering import gather
from agents.doctor.isolation import tier_finding
from agents.doctor.subject import Subject
from agents.errors import AgentError
from agents.instances.secrets import Secrets
from profiles.observed import bundle
from profiles.observed.finding import Finding, has_problem, in_short, lines, ordered
from profiles.text.clean import clean


def doctor(subject: Subject, *, as_json: bool, bundle_file: Path | None) -> bool:
    """Print what is found; whether all is free of problems. Raises AgentError where the bundle cannot be written."""
    findings = asyncio.run(Examiner(subject).findings())
    findings = ordered([*findings, tier_finding(subject, findings)])
    if as_json:
        document = {"gpuyard": 1, "kind": "doctor", "items": msgspec.to_builtins(findings)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines(findings, width):
            print(clean(line))
        print(in_short(findings))
    if bundle_file:
        _write_bundle(subject, findings, bundle_file)
    return not has_problem(findings)


def _write_bundle(subject: Subject, findings: list[Finding], path: Path) -> None:
    files = gather(subject, Secrets(subject.layout.secrets).redactor())
    files["findings.json"] = msgspec.json.format(msgspec.json.encode(findings)).decode()
    inside = bundle.scrubbed(files)
    print(f"{path} will hold, with secrets taken out:", *bundle.contents(inside), sep="\n  ", file=sys.stderr)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bundle.packed(inside, time.time()))
    except OSError as error:
        raise AgentError(f"{path} cannot be written: {error.strerror}", "give the path of a new file") from None
