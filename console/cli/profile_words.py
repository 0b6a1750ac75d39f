"""The words of `gpuyard profile`."""

import argparse


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "profiles as files: check them, and help an editor to"
    profile = verbs.add_parser("profile", help=text, description=text)
    within = profile.add_subparsers(title="verbs", metavar="VERB", required=True)
    text = "read profiles as `apply` would; no node is asked"
    validate = within.add_parser("validate", help=text, description=text, parents=[common])
    validate.add_argument("files", metavar="FILE", nargs="+")
    validate.set_defaults(module="console.cli.profile", function="validate", verb="profile validate")
    text = "JSON Schema of profiles, for editors"
    schema = within.add_parser("schema", help=text, description=text, parents=[common])
    schema.set_defaults(module="console.cli.profile", function="schema", verb="profile schema")
