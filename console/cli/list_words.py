"""The words of the lists, and of `terminate`: what can be filtered and sorted as the tables of the screens are."""

import argparse

LISTS = {
    "status": "one line for the fleet and one for each problem",
    "nodes": "the hosts: state, GPUs, memory, round trip",
    "gpus": "every GPU: busy, memory, power, tenants",
    "services": "services: how many are ready, rates, latency",
    "instances": "every engine: phase, rates, latency, queue",
    "fractions": "how each GPU is shared: parts, tenants, who holds them to it, what is free",
    "events": "what happened lately, oldest first",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    for name, text in LISTS.items():
        aliases = ["ps"] if name == "instances" else []
        listed = verbs.add_parser(name, help=text, description=text, parents=[common], aliases=aliases)
        listed.set_defaults(module="console.cli.lists", function="run", verb=name)
        listed.add_argument(
            "-w", "--watch", action="store_true", default=argparse.SUPPRESS, help="print again every second"
        )
        if name != "status":
            _add_shape(listed)
    _add_processes(verbs, common)


def _add_processes(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    text = "who is on the GPUs, and what an instance left behind"
    listed = verbs.add_parser("processes", help=text, description=text, parents=[common])
    listed.set_defaults(module="console.cli.processes", function="run", verb="processes")
    _add_shape(listed)
    listed.add_argument("--orphans", action="store_true", help="only what an instance left behind")
    listed.add_argument("--node", metavar="N", help="left out, all of them")
    listed.add_argument("--by", choices=("user",), metavar="user", help="a line a user: what each has on all GPUs")
    text = "end processes on GPUs, or what an instance left behind; needs the role admin"
    terminate = verbs.add_parser("terminate", help=text, description=text, parents=[common])
    terminate.set_defaults(module="console.cli.terminate", function="run", verb="terminate")
    terminate.add_argument("targets", metavar="NODE/PID", nargs="+", help="as `processes -o name` lists them")
    terminate.add_argument("--yes", action="store_true", default=argparse.SUPPRESS, help="do not ask")


def _add_shape(listed: argparse.ArgumentParser) -> None:
    """`/` and `o` of the screens."""
    listed.add_argument(
        "--filter",
        metavar="EXPR",
        help="only rows that are so: `util>90 & node~fra-`, `state=lost | !(queue<=10)`, or a text that is in them",
    )
    listed.add_argument(
        "--sort",
        metavar="COLUMN",
        help="by this column, numbers from the largest, words from the first; `--sort=-COLUMN` the other way round",
    )
