"""One exit code for a change of several instances."""

import pytest

from console.cli.outcome import outcome
from console.cli.output import Exit


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ([], Exit.DONE),
        ([Exit.DONE, Exit.DONE], Exit.DONE),
        ([Exit.FAILED], Exit.FAILED),
        ([Exit.FAILED, Exit.UNREACHABLE], Exit.UNREACHABLE),
        ([Exit.DONE, Exit.FAILED], Exit.PARTLY),
        ([Exit.UNREACHABLE, Exit.DONE], Exit.PARTLY),
    ],
)
def test_all_some_or_none_done(codes: list[Exit], whole: Exit) -> None:
    assert outcome(codes) is whole
