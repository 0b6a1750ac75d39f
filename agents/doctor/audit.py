"""Is the record of who did what whole? By itself: a long one takes a while to walk."""

from collections.abc import Iterator

from agents.access.audit.chain import walk
from agents.doctor.subject import Subject
from profiles.observed.finding import Finding, info, ok, problem


def look(subject: Subject) -> Iterator[Finding]:
    directory = subject.layout.audit
    if not directory.is_dir():
        yield info("audit_chain", f"there is no audit in {directory} yet")
        return
    walked = walk(directory)
    if walked.problem:
        fix = f"ask who was there; then move {directory} aside for review and restart the agent"
        yield problem("audit_chain", f"the audit is not what was written: {walked.problem}", fix)
    else:
        yield ok("audit_chain", f"{walked.records} records, each follows the one before")
