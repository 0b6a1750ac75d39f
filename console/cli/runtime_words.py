"""The words of `gpuyard runtime`."""

import argparse

from console.cli.node_words import Verb, group

_RUNTIME = "console.cli.runtime"


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", metavar="N", help="left out, all of them")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="as `runtime list` shows them; left out, all")
    _list(parser)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requirement", metavar="NAME==VERSION", help="`vllm==0.32.0`")
    parser.add_argument("--node", metavar="N", help="left out, the only one there is")
    parser.add_argument("--wheels", metavar="DIR", default="", help="a directory of wheels there, and no index")


def _remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="one that `runtime add` made")
    parser.add_argument("--node", metavar="N", help="left out, the only one there is")


VERBS = {
    "list": Verb("the environments that engines run from, with the version of each", _RUNTIME, "listed", _list,
                 changes=False),
    "check": Verb("ask each anew, and import what can be imported", _RUNTIME, "check", _check, changes=False),
    "add": Verb("make an environment on a node and install an engine there; needs the role admin", _RUNTIME, "add",
                _add),
    "remove": Verb("take one that was made off the node's disk, once no instance needs it; needs the role admin",
                   _RUNTIME, "remove", _remove),
}  # fmt: skip


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """`runtime` and everything below it."""
    texts = ("where engines run from", "Environments of engines on the nodes, see docs/runtimes.md.")
    group(verbs, common, "runtime", texts, VERBS)
