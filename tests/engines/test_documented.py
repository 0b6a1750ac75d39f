"""docs/engines.md has a table of options for each engine, written from the structs: UPDATE_DOCS=1 writes it anew."""

import os
import re
from pathlib import Path

import pytest

from engines import registry
from engines.base import guarded_options
from tests.engines.every_option import documented

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"


def table(name: str) -> str:
    engine = registry.get(name)
    admin = guarded_options(engine)
    rows = [
        f"| `{option}`{' **admin**' if option in admin else ''} | {text.replace('|', chr(92) + '|')} "
        f"| {engine.live.get(option, 'restart')} |"
        for option, text in documented(engine.Options).items()
        if option in engine.Options.__struct_fields__
    ]
    return "\n".join(["", "| Option | | Changed by |", "|---|---|---|", *rows, ""])


@pytest.mark.parametrize("name", registry.names())
def test_the_options_on_the_page_are_those_of_the_struct(name: str) -> None:
    page = PAGE.read_text()
    written = re.search(rf"(<!-- options {name} -->\n)(.*?)(<!-- end -->)", page, re.DOTALL)
    assert written, f"docs/engines.md has no table for {name}"
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page[: written.start(2)] + table(name) + "\n" + page[written.end(2) :])
        return
    assert written[2] == table(name) + "\n", "UPDATE_DOCS=1 writes it anew"
