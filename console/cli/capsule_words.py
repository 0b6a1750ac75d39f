"""The words of `gpuyard capsule` and `gpuyard replay`."""

import argparse
from pathlib import Path


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", own: argparse.ArgumentParser,
        common: argparse.ArgumentParser) -> None:  # fmt: skip
    """`own` is another one like `common`: its `-o` is taken off, for here it names a file."""
    text = "write the last minutes of all nodes to one file: metrics, events, revisions, logs; secrets taken out"
    capsule = verbs.add_parser("capsule", help=text, description=text, parents=[own], conflict_handler="resolve")
    capsule.add_argument("--last", metavar="15m", default="15m", help="how long: 90s, 15m, 2h; a day at most")
    capsule.add_argument("-o", "--out", metavar="FILE", dest="file", type=Path, default=None,
                         help="a new file; left out, gpuyard-capsule-DATE-TIME.zip here")  # fmt: skip
    capsule.set_defaults(module="console.cli.capsule", function="run", verb="capsule")
    text = "open a capsule in the console: space plays and pauses, ← → seek 10 s, < > speed; nothing can be changed"
    replay = verbs.add_parser("replay", help=text, description=text, parents=[common])
    replay.add_argument("file", metavar="FILE", type=Path, help="as `gpuyard capsule` wrote it")
    replay.set_defaults(module="console.cli.capsule", function="replay", verb="replay")
