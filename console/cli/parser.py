"""The words of the command line. Only the standard library is imported before a verb is chosen."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

CHANGES = {
    "start": "start what is stopped or failed, wait until ready",
    "stop": "let running requests finish for up to 120 s, stop, wait until nothing is left",
    "drain": "let running requests finish and hold it empty, its model loaded, until it is started",
    "sleep": "let running requests finish, then give the GPU memory back and keep the process; its share stays its own",
    "wake": "take the memory again and serve, without a start",
    "restart": "drain, stop and start anew, wait until ready",
}
EXPLAINED = ("gpu", "instance", "service")
DESCRIBED = ("node", "gpu", "process", "service", "instance")
CHANGING = ("node", "gpu", "service", "instance")
_NAMES = "`chat/0`, `chat` for all its replicas, or `NODE:chat/0`"
_FORMATS = ("table", "wide", "json", "name")
_USAGE = 64


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_USAGE, f"gpuyard: {message} — see `{self.prog} --help`\n")


def run(words: Sequence[str]) -> int:
    """Parse and carry out; the exit code."""
    words, command = _apart(words)
    try:
        options = build().parse_args(words)
        options.command = command
    except SystemExit as over:
        return int(over.code or 0)
    run_verb: Callable[[argparse.Namespace], int] = getattr(import_module(options.module), options.function)
    if options.module == _DEMO:
        return run_verb(options)
    from console.cli.output import CommandFailed, say_reason

    try:
        if options.ctx is not None:
            import_module("console.cli.contexts").enter(options)
        return run_verb(options)
    except CommandFailed as failed:
        say_reason(failed.reason)
        return failed.code


def _apart(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands after `ssh NODE --` is for another machine to read."""
    at = words.index("--") if "--" in words else len(words)
    return (words[:at], words[at + 1 :]) if "ssh" in words[:at] else (words, ())


_DEMO = "console.demo.command"


def build() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="gpuyard",
        description="See, plan, apply and undo on a cluster that serves language models.",
        epilog="Without a verb: the console on the inventory; with no inventory, on this machine.",
        parents=[_common()],
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.set_defaults(
        module="console.cli.screen", function="run",
        inventory=None, ctx=None, entered=None, site=None, label=[], output="table",
        read_only=False, yes=False, watch=False,
    )  # fmt: skip
    from console.cli import list_words

    verbs = parser.add_subparsers(title="verbs")
    common = _common()  # not the one above: the defaults were set in it, and a verb would reset what stood before it
    list_words.add(verbs, common)
    _add_describe(verbs, common)
    _add_time_line(verbs, common)
    _add_logs(verbs, common)
    _add_audit(verbs, common)
    _add_changes(verbs, common)
    _add_past(verbs, common)
    from console.cli import (
        alert_words,
        capsule_words,
        cost_words,
        fraction_words,
        gpu_words,
        key_words,
        model_words,
        node_words,
        profile_words,
        runtime_words,
    )
    from console.demo.command import add_parser

    text = "your own ssh to a node, with what the inventory says; a note of it is kept there"
    ssh = _add(verbs, "ssh", text, "console.cli.ssh", "run", [common])
    ssh.add_argument("node", metavar="NODE", help="then, if not a shell: `-- COMMAND`")
    _add_export(verbs, common)
    node_words.add(verbs, common, _common(describes=True))
    gpu_words.add(verbs, common)
    key_words.add(verbs, common)
    fraction_words.add(verbs.choices["fractions"], common)
    model_words.add(verbs, common)
    runtime_words.add(verbs, common)
    cost_words.add(verbs, common)
    alert_words.add(verbs, common)
    profile_words.add(verbs, common)
    capsule_words.add(verbs, _common(), common)
    add_parser(verbs)
    verbs.choices["demo"].set_defaults(module=_DEMO, function="run")
    _add(verbs, "version", "print the version", "console.cli.screen", "version", [])
    return parser


def _common(*, describes: bool = False) -> argparse.ArgumentParser:
    """What every verb takes, before or after it. `describes`: of nodes that it makes, not of those that it is for."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--inventory", metavar="FILE", help="the nodes ($XDG_CONFIG_HOME/gpuyard/inventory.yaml)")
    common.add_argument("--ctx", metavar="NAME", help="the inventory of that name in contexts.yaml")
    common.add_argument(
        "--site", metavar="S", help="where the new nodes are" if describes else "only the nodes of this site"
    )
    text = "a label of the new nodes" if describes else "only the nodes with this label"
    label = "KEY=VALUE" if describes else "KEY[=VALUE]"
    common.add_argument("-l", "--label", metavar=label, action="append", help=f"{text}; may be repeated")
    common.add_argument("--read-only", action="store_true", help="change nothing, whatever is asked")
    common.add_argument("-o", "--output", choices=_FORMATS, metavar="FORMAT", help="table, wide, json or name")
    common.add_argument("--json", dest="output", action="store_const", const="json", help="the same as -o json")
    return common


def _add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, module: str,
         function: str, parents: list[argparse.ArgumentParser], aliases: Sequence[str] = ()
         ) -> argparse.ArgumentParser:  # fmt: skip
    parser = verbs.add_parser(name, help=text, description=text, parents=parents, aliases=list(aliases))
    parser.set_defaults(module=module, function=function, verb=name)
    return parser


def _add_describe(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    text = "one thing in full: how it is, why, what is wanted of it, what happened"
    describe = _add(verbs, "describe", text, "console.cli.describe", "run", [common])
    describe.add_argument("kind", metavar="KIND", choices=DESCRIBED, help=", ".join(DESCRIBED))
    describe.add_argument("name", metavar="NAME", help="a node's name, `NODE/0`, `chat`, or `chat/0`, `NODE:chat/0`")
    text = "who hurts whom, since when, by what numbers, and what it is not"
    explain = _add(verbs, "explain", text, "console.cli.explain", "run", [common])
    explain.add_argument("kind", metavar="KIND", choices=EXPLAINED, help=", ".join(EXPLAINED))
    explain.add_argument("name", metavar="NAME", help="`NODE/0`, `chat`, or `chat/0`, `NODE:chat/0`")
    explain.add_argument(
        "--since", metavar="30m", default="15m", help="how far back to look, a day at most (%(default)s)"
    )


def _add_time_line(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    text = "one time line of what changed, oldest first: applies, edits, exits, processes, XIDs, throttling, traffic"
    changes = _add(verbs, "changes", text, "console.cli.changes", "run", [common])
    changes.add_argument("--scope", nargs=2, metavar=("KIND", "NAME"),
                         help=f"{', '.join(CHANGING)}, and which, as `describe` names it; left out, all")  # fmt: skip
    changes.add_argument("--since", metavar="LONG", help="only of that long up to now: 30m, 2h")


def _add_logs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    logs = _add(verbs, "logs", "the log of an instance's engine", "console.cli.logs", "run", [common])
    logs.add_argument("instance", metavar="INSTANCE", help="`chat/0`, or `NODE:chat/0`")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    logs.add_argument("--previous", action="store_true", help="of the incarnation before this one")


def _add_audit(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "is the record of who did what on each node whole?"
    audit = _add(verbs, "audit", text, "console.cli.audit", "run", [common])
    audit.add_argument("what", metavar="verify", choices=("verify",))
    audit.add_argument("node", metavar="NODE", nargs="?", help="left out, all of them")
    audit.add_argument(
        "--accept", action="store_true", help="forget what was remembered, and remember what is there now"
    )


def _add_export(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "metrics of the fleet for Prometheus, at /metrics, until it is interrupted"
    export = _add(verbs, "export", text, "console.cli.export", "run", [common])
    text = "where (%(default)s); there is no login, so other machines are for you to keep out"
    export.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:9400", help=text)
    export.add_argument("--once", action="store_true", help="print the page and end, for a file collector")


def _changing() -> argparse.ArgumentParser:
    """What every verb takes that changes something."""
    changing = argparse.ArgumentParser(add_help=False)
    changing.add_argument("--yes", action="store_true", default=argparse.SUPPRESS, help="do not ask")
    changing.add_argument("--no-wait", action="store_true", help="return once the nodes have taken the change")
    changing.add_argument("--take-over", action="store_true", help="as an admin, take the nodes from who holds them")
    return changing


def _add_past(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "what was wanted of each node before, or of a profile on all of them, by whom and why"
    past = _add(verbs, "revisions", text, "console.cli.revisions", "run", [common])
    past.add_argument("name", metavar="NODE|PROFILE", nargs="?", help="left out, all nodes")
    text = "take back the last change of a node, or the last revision of a profile on all its nodes"
    undo = _add(verbs, "undo", text, "console.cli.undo", "run", [common, _changing()])
    undo.add_argument("name", metavar="NODE|PROFILE", nargs="?", help="left out, the only node there is")
    which = undo.add_mutually_exclusive_group()
    which.add_argument("--to", metavar="GENERATION", type=int, help="take back every change since this generation")
    which.add_argument("--only", metavar="GENERATION", type=int, help="take back one change and keep the later ones")
    text = "go back to a revision of a profile that is kept, whatever came since"
    rollback = _add(verbs, "rollback", text, "console.cli.undo", "rollback", [common, _changing()])
    rollback.add_argument("profile", metavar="PROFILE")
    rollback.add_argument("revision", metavar="REV|TAG|-1", help="`r118`, its name, or -1: the one before")
    text = "what differs, key by key: by the profile, as nodes are asked, as it runs; exit code 1 where something does"
    drift = _add(verbs, "drift", text, "console.cli.drift", "run", [common])
    which = drift.add_mutually_exclusive_group()
    which.add_argument("profile", metavar="PROFILE", nargs="?", help="left out, all of them")
    which.add_argument("-f", "--file", metavar="FILE", help="by this file, not by what was applied last")
    text = "give a revision of a profile a name, under which it is kept"
    tag = _add(verbs, "tag", text, "console.cli.tag", "run", [common])
    tag.add_argument("profile", metavar="PROFILE")
    tag.add_argument("revision", metavar="REV", nargs="?", help="`r118`, another name of it, or -1")
    tag.add_argument("name", metavar="NAME", nargs="?", help="who has it already loses it")
    tag.add_argument("--delete", metavar="NAME", help="take a name away")


def _add_changes(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    from console.cli import plan_words

    parents = [common, _changing()]
    plan_words.add(verbs, common, _changing())
    text = "take a profile, or some of it, off every node"
    down = _add(verbs, "down", text, "console.cli.down", "run", parents)
    down.add_argument(
        "profile", metavar="PROFILE", nargs="?", default="", help="`adhoc` is that of what was started by `run`"
    )
    down.add_argument("names", metavar="NAME", nargs="*", help=f"only these of it: {_NAMES}")
    down.add_argument("--expired", action="store_true", help="only what has no lease any more; without PROFILE, of all")
    one = _add(
        verbs, "run", "run one instance without a file, in profile `adhoc`", "console.cli.change", "run", parents
    )
    one.add_argument("name", metavar="NAME", help="what the service is called")
    one.add_argument("--engine", metavar="E", required=True, help="which engine")
    one.add_argument("--model", metavar="M", required=True, help="what it loads: a name, or a path on the node")
    one.add_argument("--gpus", metavar="N|NODE/0,NODE/1", help="so many of one node, or these; left out, the CPU")
    one.add_argument("--type", metavar="H100", help="which GPUs; without --gpus, one of them")
    one.add_argument("--memory", metavar="SIZE", help="a part of each of them by memory: 12GiB")
    one.add_argument("--mig", metavar="PROFILE", help="a MIG device of each of them: 1g.10gb")
    one.add_argument("--node", metavar="NODE", help="where, by name or as in `place`: 'site=fra & !maintenance'")
    one.add_argument("--port", metavar="P", type=int, help="left out, the node chooses")
    one.add_argument("--runtime", metavar="NAME", help="of the node; left out, its only one of the engine")
    one.add_argument("--option", metavar="K=V", action="append", default=[], help="of the engine; may be repeated")
    text = "make so many replicas of a service, like those that there are, until the next apply"
    scale = _add(verbs, "scale", text, "console.cli.byhand", "scale", parents)
    scale.add_argument("service", metavar="SERVICE", help="`chat`, or `PROFILE:chat` where two profiles have one")
    scale.add_argument("replicas", metavar="N", type=int, help="how many")
    text = "set single keys of what runs, in the words of a profile, until the next apply"
    setting = _add(verbs, "set", text, "console.cli.byhand", "set_keys", parents)
    setting.add_argument("words", metavar="NAME … KEY=VALUE … KEY-", nargs="+",
                         help=f"{_NAMES}; `max_num_seqs=96`, `env.A=1`, `slo.ttft_p95=800ms`")  # fmt: skip
    move = _add(verbs, "move", "run instances on other GPUs, with all that they are", "console.cli.byhand", "move",
                parents)  # fmt: skip
    move.add_argument("names", metavar="NAME", nargs="+", help=_NAMES)
    move.add_argument("--to", metavar="NODE|NODE/0,NODE/1", help="left out, wherever else there is room")
    for verb, text in CHANGES.items():
        parser = _add(verbs, verb, text, "console.cli.change", "verb", parents)
        parser.add_argument("names", metavar="NAME", nargs="+", help=_NAMES)
        parser.set_defaults(now=False)
        if verb == "stop":
            parser.add_argument("--now", action="store_true", help="cut running requests off; needs the role admin")
