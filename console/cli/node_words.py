"""The words of `gpuyard node`. Each verb is a row of the table and, where it takes words of its own, a function."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

Words = Callable[[argparse.ArgumentParser], None]


class Verb(NamedTuple):
    """`module`.`function` carries it out; `words` adds what it takes.

    `describes`: `--site` and `-l` say what new nodes have, and do not choose among those that there are.
    """

    text: str
    module: str
    function: str
    words: Words
    changes: bool = True
    describes: bool = False


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser,
        describing: argparse.ArgumentParser) -> None:  # fmt: skip
    """`node` and everything below it. `describing` has the words of `common`, for verbs that describe new nodes."""
    group(verbs, common, "node", ("bring hosts in, look after them", "Hosts and their agents."), VERBS, describing)


def group(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser, noun: str,
          texts: tuple[str, str], table: Mapping[str, Verb], describing: argparse.ArgumentParser | None = None
          ) -> None:  # fmt: skip
    """`noun`, described by `texts` (help, description), and a verb below it for each row of `table`."""
    parser = verbs.add_parser(noun, help=texts[0], description=texts[1])
    rows(parser.add_subparsers(title="verbs", required=True, metavar="VERB"), common, table, describing)


def rows(below: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser,
         table: Mapping[str, Verb], describing: argparse.ArgumentParser | None = None) -> None:  # fmt: skip
    """A verb for each row of `table`."""
    for name, verb in table.items():
        parent = describing if describing and verb.describes else common
        one = below.add_parser(name, help=verb.text, description=verb.text, parents=[parent])
        one.set_defaults(module=verb.module, function=verb.function, verb=name)
        if verb.changes:
            one.add_argument("--yes", action="store_true", default=argparse.SUPPRESS, help="do not ask")
        verb.words(one)


def _install(parser: argparse.ArgumentParser) -> None:
    _nodes(parser)
    text = "where no service manager keeps the agent, let it be started at boot: linger, or a line in the crontab"
    parser.add_argument("--at-boot", action="store_true", help=text)
    text = "then seal the logins of a group, see `node sealed --write`; needs --as"
    parser.add_argument("--sealed", action="store_true", help=text)
    _sealing(parser)


def _remove(parser: argparse.ArgumentParser) -> None:
    _nodes(parser)
    parser.add_argument("--stop-engines", action="store_true", help="stop what runs there first, as `stop` does")
    parser.set_defaults(no_wait=False, take_over=False)  # what `stop` takes beside


def _sealed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="a name of the inventory")
    do = parser.add_mutually_exclusive_group()
    text = "write them on the host, as root or by `sudo -n`; what was there comes back unless every door is right then"
    do.add_argument("--write", action="store_true", help=text)
    text = "log in and try every door: the agent's socket opens, all else is refused"
    do.add_argument("--check", action="store_true", help=text)
    _sealing(parser)


def _sealing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", default="gpuyard", help="the Unix group of the sealed accounts (gpuyard)")
    text = "the account of that group that tries the doors; its keys are those of the inventory and your ssh"
    parser.add_argument("--as", dest="account", metavar="ACCOUNT", help=text)


def _nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nodes", metavar="NODE", nargs="+", help="names of the inventory")


def _cordon(parser: argparse.ArgumentParser) -> None:
    _nodes(parser)
    parser.add_argument("--reason", metavar="TEXT", default="", help="for whoever wonders why")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nodes", metavar="NODE", nargs="*", help="names of the inventory; left out, all of them")
    text = "write it all, with logs and settings, for whoever helps; secrets are taken out"
    parser.add_argument("--bundle", type=Path, metavar="FILE", help=text)
    parser.add_argument("--yes", action="store_true", default=argparse.SUPPRESS, help="do not ask before writing it")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", metavar="[USER@]HOST[:PORT]", nargs="+", help="what you would give to ssh")
    parser.add_argument("--name", metavar="NAME", help="what one host is called here; left out, HOST")
    parser.add_argument("--identity-file", metavar="FILE", help="the private key to log in with")
    parser.add_argument("--known-hosts", metavar="FILE", help="one more file that may have their host keys")
    parser.add_argument("--agent", metavar="PATH", help="of gpuyard-agent there, where it is not found by itself")
    parser.add_argument("--socket", metavar="PATH", help="of the agent's socket there, likewise")
    _owner(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=("openssh", "ansible"), help="what kind of list it is")
    parser.add_argument("file", metavar="FILE", nargs="?", help="the list; of openssh left out, ~/.ssh/config")
    parser.add_argument("--only", metavar="PATTERN", action="append", default=[], help="names like this: `gpu-*`")
    _owner(parser)


def _owner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", metavar="O", default="", help="who answers for the new nodes")


def _label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="NODE… KEY=VALUE… KEY-", nargs="+", help="`KEY-` takes a label off")


def _trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list", metavar="FILE", nargs="?", help="`HOST SHA256:…` lines, or those of a known_hosts; `-`")


_CORDON = "console.cli.cordon"
_HOSTS = "console.cli.hosts"
_NODE = "console.cli.node"

VERBS = {
    "add": Verb("take hosts into the inventory", _NODE, "add", _add, describes=True),
    "import": Verb("take in what another list of hosts has", _NODE, "take_over", _import, describes=True),
    "label": Verb("set labels, site and owner of nodes, or take them off", "console.cli.label", "run", _label, False),
    "trust": Verb(
        "store the host keys that a reviewed list vouches for; without one, print those that nobody vouches for",
        "console.cli.trust",
        "run",
        _trust,
        False,
    ),
    "sealed": Verb(
        "print sshd's settings for logins that reach the agent alone, --write them, or --check such a login",
        "console.cli.sealed",
        "run",
        _sealed,
    ),
    "install": Verb("put an agent on hosts, over ssh alone", _HOSTS, "install", _install),
    "upgrade": Verb("put this console's build of the agent there; engines go on", _HOSTS, "upgrade", _install),
    "remove": Verb(
        "take the agent off hosts with all its files, and the hosts out of the inventory", _HOSTS, "remove", _remove
    ),
    "cordon": Verb("place nothing new on nodes; what runs there stays", _CORDON, "nodes", _cordon),
    "uncordon": Verb("take that back", _CORDON, "nodes", _cordon),
    "drain": Verb("cordon nodes, and move what runs there to others", "console.cli.byhand", "drain", _cordon),
    "doctor": Verb(
        "what is wrong on the way to nodes and on them, with the fix",
        "console.cli.doctor",
        "run",
        _doctor,
        changes=False,
    ),
}
