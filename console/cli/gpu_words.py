"""The words of `gpuyard gpu`, and those of cordons, which nodes have as well."""

import argparse

from console.cli.node_words import Verb, group

_CORDON = "console.cli.cordon"


def cordon_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", metavar="NODE/IDX", nargs="+", help="as `gpuyard gpus -o name` lists them")
    parser.add_argument("--reason", metavar="TEXT", default="", help="for whoever wonders why")


VERBS = {
    "cordon": Verb("place nothing new on GPUs; what runs there stays", _CORDON, "gpus", cordon_words),
    "uncordon": Verb("take that back", _CORDON, "gpus", cordon_words),
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """`gpu` and everything below it."""
    group(verbs, common, "gpu", ("cordon GPUs", "What may be placed on GPUs."), VERBS)
