"""Debian's HAProxy for the tests that need the real one."""

import os
import shutil

import pytest

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def needs_haproxy() -> None:
    """Skips by name where it is missing, but never in CI."""
    if shutil.which("haproxy", path=PLACES) is None:
        if os.environ.get("CI"):
            pytest.fail("haproxy is missing: install the package `haproxy`")
        pytest.skip("haproxy is missing: install the package `haproxy`")
