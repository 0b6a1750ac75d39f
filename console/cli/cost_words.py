"""The words of `gpuyard cost`."""

import argparse

BY = ("service", "instance", "profile", "model", "engine", "node", "site", "owner")
"""console.spending knows how; that is too much to import for the words."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "what the fleet costs, and what-if"
    cost = verbs.add_parser("cost", help=text, description=text, parents=[common])
    cost.set_defaults(module="console.cli.cost", function="show", verb="cost", by=None, window=None)
    cost.add_argument("--by", metavar="WHAT", choices=BY, default=argparse.SUPPRESS, help=f"{', '.join(BY)}")
    text = "what it cost in that long up to now, like 15m, 1h or 24h, as far as the nodes remember"
    cost.add_argument("--window", metavar="LONG", default=argparse.SUPPRESS, help=text)
    within = cost.add_subparsers(title="verbs", metavar="VERB")
    text = "the sheet of prices that money is worked out by; old rows are marked stale"
    prices = within.add_parser("prices", help=text, description=text, parents=[common])
    prices.set_defaults(module="console.cli.cost", function="show_prices", verb="cost prices")
    text = "a load of requests, the models that answer them, and a change against that"
    case = within.add_parser("case", help=text, description=text, parents=[common])
    case.add_argument(
        "file", metavar="FILE", help="a YAML file, or the name of a case that ships: conversations, transactions"
    )
    case.set_defaults(module="console.cli.cost", function="case", verb="cost case")
