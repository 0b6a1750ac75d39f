"""The program of a bundle: gpuyard-agent, and the interpreter that the agent calls for its children.

The agent starts its parts with `sys.executable -m MODULE` and the shim with `sys.executable -I -S -c CODE`. In a bundle
`sys.executable` is this program, so it understands those words; everything else is for gpuyard-agent.
"""

import os
import runpy
import sys

_FLAGS = {"-I", "-S", "-P", "-E", "-s", "-u"}


def main() -> None:
    _forget_bootloader()
    words = sys.argv[1:]
    while words and words[0] in _FLAGS:
        del words[0]
    if words[:1] == ["-m"]:
        sys.argv = [words[1], *words[2:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[:1] == ["-c"]:
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        from agents.__main__ import main as agent

        sys.exit(agent(words))


def _forget_bootloader() -> None:
    """What PyInstaller's bootloader (6.x) puts into the environment is not for engines."""
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = before


if __name__ == "__main__":
    main()
