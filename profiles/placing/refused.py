"""Why a service has no place."""


class Refused(Exception):
    """Raised within placement, and a value outside of it (profiles.placing.place.Unplaceable)."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint
