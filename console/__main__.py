"""`gpuyard`: the command line. What a verb needs is imported when the verb is run."""

import sys

from console.streams import OutputFailed, discard, secure

_FAILED, _INTERRUPTED = 1, 130


def main(argv: list[str] | None = None) -> int:
    """The exit code; see docs/commands.md."""
    if not secure():
        return _say_no_output("it is closed")
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OutputFailed as failed:
        discard()
        seen_enough = isinstance(failed.cause, BrokenPipeError)
        return 0 if seen_enough else _say_no_output(str(failed.cause.strerror))
    return code


def _say_no_output(why: str) -> int:
    print(f"gpuyard: cannot write to stdout: {why}", file=sys.stderr)
    return _FAILED


def _run(words: list[str]) -> int:
    if words in (["--version"], ["version"]):
        from importlib.metadata import version

        print(f"gpuyard {version('gpuyard')}")
        return 0
    from console.cli.parser import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
