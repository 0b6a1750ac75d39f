"""The words of `gpuyard gpu`, and those of cordons, which nodes have as well."""

import argparse

from console.cli.node_words import Verb, group

_CORDON = "console.cli.cordon"
LENGTHS = ("default", "short", "medium", "long")
"""Those of engines.devices.Timeslice."""


def cordon_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", metavar="NODE/IDX", nargs="+", help="as `gpuyard gpus -o name` lists them")
    parser.add_argument("--reason", metavar="TEXT", default="", help="for whoever wonders why")


def timeslice_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", metavar="NODE/IDX", nargs="+", help="as `gpuyard gpus -o name` lists them")
    parser.add_argument("length", metavar="LENGTH", choices=LENGTHS, help=", ".join(LENGTHS))


VERBS = {
    "cordon": Verb("place nothing new on GPUs; what runs there stays", _CORDON, "gpus", cordon_words),
    "uncordon": Verb("take that back", _CORDON, "gpus", cordon_words),
    "timeslice": Verb(
        "how long a process has a GPU to itself that is shared by turns; needs the role admin, and root there",
        "console.cli.timeslice",
        "run",
        timeslice_words,
    ),
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """`gpu` and everything below it."""
    texts = ("cordon GPUs, set the length of turns", "What may be placed on GPUs, and how long turns on them are.")
    group(verbs, common, "gpu", texts, VERBS)
