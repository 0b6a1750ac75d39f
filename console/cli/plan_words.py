"""The words of `gpuyard plan`, `apply` and `schema`."""

import argparse

KINDS = ("plan", "saved-plan", "profile")


def add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    changing: argparse.ArgumentParser,
) -> None:
    text = "what `apply` would do; exit code 2 where there are changes, 0 where there are none"
    plan = verbs.add_parser("plan", help=text, description=text, parents=[common])
    plan.set_defaults(module="console.cli.plan", function="run", verb="plan")
    _profile(plan)
    plan.add_argument("--expired", action="store_true", help="instead: take down what has no lease any more")
    plan.add_argument("--out", metavar="FILE", help="keep it for `apply --plan`, refused once a node changed")

    text = "make the nodes run what a profile says"
    apply = verbs.add_parser("apply", help=text, description=text, parents=[common, changing])
    apply.set_defaults(module="console.cli.change", function="apply", verb="apply")
    _profile(apply)
    apply.add_argument("--plan", metavar="FILE", help="just what `plan --out` kept, if nothing was changed since")
    text = "go on with an apply that was left open, from what its nodes keep; left out, the only one"
    apply.add_argument("--resume", metavar="ID", nargs="?", const="", help=text)
    apply.add_argument("--rollback", action="store_true", help="with --resume: go back to what was before it")

    text = "JSON Schema of what is printed by -o json, or read"
    schema = verbs.add_parser("schema", help=text, description=text)
    schema.set_defaults(module="console.cli.schema", function="run", verb="schema")
    schema.add_argument("kind", metavar="KIND", choices=KINDS, help=", ".join(KINDS))


def _profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a profile in `profiles/` beside the inventory")
    parser.add_argument("-f", "--file", metavar="FILE", help="the profile, a YAML file")
