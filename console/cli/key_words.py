"""The words of what is an operator's own: `gpuyard keys`, `gpuyard ctx`."""

import argparse


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = (
        "all bindings of the console: keys, ids for keys.yaml, screens; exit code 1 where two are in each other's way"
    )
    keys = verbs.add_parser("keys", help=text, description=text, parents=[common])
    keys.set_defaults(module="console.cli.keys", function="run", verb="keys")
    text = "the clusters that contexts.yaml has names for; any command takes `--ctx NAME`"
    ctx = verbs.add_parser("ctx", help=text, description=text, parents=[common])
    ctx.set_defaults(module="console.cli.contexts", function="run", verb="ctx")
