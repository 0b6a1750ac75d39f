"""The parts of a check-up. Each runs in a process of its own, because any of them may hang in a driver or a disk."""

from collections.abc import Callable, Iterable, Mapping

from agents.doctor import audit, fabric, files, gpus, host, models, ports, rights
from agents.doctor.subject import Subject
from profiles.observed.finding import Finding

Part = Callable[[Subject], Iterable[Finding]]

PARTS: Mapping[str, tuple[Part, ...]] = {
    "host": (host.look, files.look, ports.look, rights.look, fabric.look),
    "audit": (audit.look,),
    "models": (models.look,),
    "gpus": (gpus.look,),
}
