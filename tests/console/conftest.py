"""An agent of its own for each test that needs one."""

from tests.console.acting import agent

__all__ = ["agent"]
