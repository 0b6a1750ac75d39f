"""The words of `gpuyard keys`."""

import argparse


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = (
        "all bindings of the console: keys, ids for keys.yaml, screens; exit code 1 where two are in each other's way"
    )
    keys = verbs.add_parser("keys", help=text, description=text, parents=[common])
    keys.set_defaults(module="console.cli.keys", function="run", verb="keys")
