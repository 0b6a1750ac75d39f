"""`gpuyard`: the command line. What a verb needs is imported when the verb is run."""

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """The exit code; see docs/commands.md."""
    words = sys.argv[1:] if argv is None else argv
    if words in (["--version"], ["version"]):
        from importlib.metadata import version

        print(f"gpuyard {version('gpuyard')}")
        return 0
    from console.cli.parser import run

    try:
        code = run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter must not complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
