"""The words of `gpuyard alerts` and `gpuyard watch`."""

import argparse


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "what calls somebody now, by the rules in alerts.yaml; acknowledge and silence it"
    alerts = verbs.add_parser("alerts", help=text, description=text, parents=[common])
    alerts.set_defaults(module="console.cli.alerts", function="show", verb="alerts")
    within = alerts.add_subparsers(title="verbs", metavar="VERB")
    text = "you have it in hand: nobody is called for it again until it is over, or a day has passed"
    ack = within.add_parser("ack", help=text, description=text, parents=[common])
    ack.add_argument("rule", metavar="RULE")
    ack.add_argument("target", metavar="TARGET", help="as `gpuyard alerts` lists them")
    ack.set_defaults(module="console.cli.alerts", function="acknowledge", verb="alerts ack")
    text = "call nobody for what matches, for so long"
    silence = within.add_parser("silence", help=text, description=text, parents=[common])
    silence.add_argument("rule", metavar="RULE", help="`burn`, or `*`")
    silence.add_argument("target", metavar="TARGET", help="`fra-1/*`, or `*`")
    how_long = silence.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--for", dest="lasts", metavar="LONG", help="30m, 2h, 7d")
    how_long.add_argument("--end", action="store_true", help="end the silence of these patterns")
    silence.add_argument("--reason", metavar="TEXT", default="", help="for whoever wonders")
    silence.set_defaults(module="console.cli.alerts", function="silence", verb="alerts silence")
    text = "hold the rules against the fleet until it is ended: a line for each alert that fires or is over"
    watch = verbs.add_parser("watch", help=text, description=text, parents=[common])
    watch.set_defaults(module="console.cli.watch", function="run", verb="watch")
