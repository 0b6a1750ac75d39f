"""The words below `gpuyard fractions`: how MIG divides a GPU."""

import argparse

from console.cli.node_words import Verb, rows

_FRACTIONS = "console.cli.fractions"


def _layout(parser: argparse.ArgumentParser) -> None:
    _gpu(parser)
    parser.add_argument("layout", metavar="COUNTxPROFILE", nargs="*", help="what it is divided into: `3x1g.10gb`")
    parser.add_argument("--off", action="store_true", help="no longer divided: MIG off")
    _drain(parser)


def _undo(parser: argparse.ArgumentParser) -> None:
    _gpu(parser)
    _drain(parser)


def _settle(parser: argparse.ArgumentParser) -> None:
    _gpu(parser)
    _course(parser)


def _drain(parser: argparse.ArgumentParser) -> None:
    text = "let the requests of engines finish that are on what goes, then stop them; they wait for their place"
    parser.add_argument("--drain", action="store_true", help=text)
    _course(parser)


def _course(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="return once the node has begun")
    parser.add_argument("--take-over", action="store_true", help="take the node from who holds it")


def _gpu(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gpu", metavar="NODE/IDX", help="as `gpuyard gpus -o name` lists them")


VERBS = {
    "plan": Verb("what it would take to divide a GPU so; exits with 2 where that changes it", _FRACTIONS, "plan",
                 _layout, changes=False),
    "apply": Verb("divide a GPU by MIG; needs the role admin", _FRACTIONS, "apply", _layout),
    "undo": Verb("back to the layout before; needs the role admin", _FRACTIONS, "undo", _undo),
    "resume": Verb("go on with a change that is stuck", _FRACTIONS, "settle", _settle),
    "rollback": Verb("go back to the layout before a change that is stuck", _FRACTIONS, "settle", _settle),
}  # fmt: skip


def add(fractions: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The verbs below `fractions`, which alone is a list."""
    rows(fractions.add_subparsers(title="verbs", metavar="VERB"), common, VERBS)
