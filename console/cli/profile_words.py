"""The words of `gpuyard profile`."""

import argparse


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    text = "profiles as files and on nodes: list, show, save, check them"
    profile = verbs.add_parser("profile", help=text, description=text)
    within = profile.add_subparsers(title="verbs", metavar="VERB", required=True)
    text = "read profiles as `apply` would; no node is asked"
    validate = within.add_parser("validate", help=text, description=text, parents=[common])
    validate.add_argument("files", metavar="FILE", nargs="+")
    validate.set_defaults(module="console.cli.profile", function="validate", verb="profile validate")
    text = "JSON Schema of profiles, for editors"
    schema = within.add_parser("schema", help=text, description=text, parents=[common])
    schema.set_defaults(module="console.cli.profile", function="schema", verb="profile schema")
    text = "the profiles of the nodes, and the files beside the inventory"
    listed = within.add_parser("list", help=text, description=text, parents=[common])
    listed.set_defaults(module="console.cli.profiles", function="listed", verb="profile list")
    text = "the text of a profile: as it was applied last, else of its file"
    show = within.add_parser("show", help=text, description=text, parents=[common])
    show.add_argument("name", metavar="NAME")
    show.set_defaults(module="console.cli.profiles", function="show", verb="profile show")
    text = "write what runs of a profile as a file that keeps everything as it is"
    save = within.add_parser("save", help=text, description=text, parents=[common])
    save.add_argument("name", metavar="NAME", help="of the nodes; `adhoc` is that of what was started by `run`")
    where = "left out, profiles/NAME.yaml beside the inventory; - is stdout"
    save.add_argument("-f", "--file", metavar="FILE", help=where)
    save.add_argument("--yes", action="store_true", default=argparse.SUPPRESS, help="over a file that is there")
    save.set_defaults(module="console.cli.profile_save", function="run", verb="profile save")
