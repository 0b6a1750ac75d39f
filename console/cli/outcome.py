"""One exit code for a change of several instances."""

from collections.abc import Iterable

from console.cli.output import Exit


def outcome(codes: Iterable[Exit]) -> Exit:
    """`codes` has one a step. All done is done; some done is partly done; none done is the worst of them."""
    found = list(codes)
    if all(code is Exit.DONE for code in found):
        return Exit.DONE
    return Exit.PARTLY if Exit.DONE in found else max(found)
