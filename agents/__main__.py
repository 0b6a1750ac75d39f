"""gpuyard-agent: the daemon of a node, and the bridge to it. Each command imports only what it needs."""

import argparse
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from agents.errors import AgentError
from agents.layout import SYSTEM_ROLES, Layout, has_unit

PACKAGES = ("console", "agents", "engines", "profiles")
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 64


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} — see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        check_packages()
        return run(options)
    except AgentError as error:
        print(f"gpuyard-agent: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises AgentError."""
    if options.command == "version":
        from importlib.metadata import version

        print(f"gpuyard-agent {version('gpuyard')}")
        return EXIT_DONE
    layout = Layout.find(options.state, options.socket)
    if options.command == "attach":
        from agents.attach import attach

        attach(
            layout,
            role=options.role,
            label=options.label or "",
            simulated=options.simulated,
            may_start=not (options.no_start or (options.state is None and has_unit(os.getuid(), Path.home()))),
        )
    elif options.command == "audit":
        from agents.access.audit.command import verify

        verify(layout, options.anchor)
    elif options.command == "doctor":
        from agents.doctor.command import doctor
        from agents.doctor.subject import Subject

        is_well = doctor(Subject(layout, options.roles), as_json=options.json, bundle_file=options.bundle)
        return EXIT_DONE if is_well else EXIT_FAILED
    elif options.command == "metrics":
        from agents.metrics import metrics

        metrics(layout)
    elif options.replace:
        from agents.replacing import replace

        hello = replace(layout, serve_arguments(options, layout))
        print(f"gpuyard-agent {hello.version} serves {layout.socket}; engines went on")
    else:
        import logging

        from agents.daemon import serve
        from agents.talk import CleanFormatter

        handler = logging.StreamHandler()
        handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        serve(layout, options.simulated, options.roles)
    return EXIT_DONE


def serve_arguments(options: argparse.Namespace, layout: Layout) -> list[str]:
    """The words of `serve` that these options stand for, with absolute paths."""
    paths = {"state": layout.state, "socket": layout.socket, "simulated": options.simulated, "roles": options.roles}
    return [word for name, path in paths.items() if path for word in (f"--{name}", str(path.absolute()))]


def build_parser() -> Parser:
    parser = Parser(prog="gpuyard-agent", description="The gpuyard daemon of a node, and the bridge to it.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the daemon until SIGTERM; engines live on")
    attach = commands.add_parser("attach", help="connect stdin and stdout to the daemon; start one if there is none")
    commands.add_parser("version", help="print the version")
    audit = commands.add_parser("audit", help="check the record of who did what")
    audit.add_argument("what", choices=("verify",), help="is every record there, in order, unchanged?")
    audit.add_argument("--anchor", type=anchor, metavar="SEQ:HASH", help="a record that is known from elsewhere")
    doctor = commands.add_parser("doctor", help="what is wrong with this machine, and what to do about it")
    doctor.add_argument("--json", action="store_true", help="as a JSON document")
    doctor.add_argument("--bundle", type=Path, metavar="FILE", help="write it all, with logs, for whoever helps")
    metrics = commands.add_parser("metrics", help="what the daemon knows now, as a Prometheus page")
    for command in (serve, attach, audit, doctor, metrics):
        command.add_argument("--state", type=Path, metavar="DIR", help="state directory")
        command.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's Unix socket")
    for command in (serve, attach):
        command.add_argument(
            "--simulated", type=Path, metavar="DIR", help="read GPUs from a simulated device directory"
        )
    # The words of profiles.observed.status.Role, which the bridge must not import; a test compares them.
    attach.add_argument("--role", choices=("viewer", "operator", "admin"), help="the most that this connection may do")
    attach.add_argument("--as", dest="label", type=label, metavar="NAME", help="who logged in, for a forced command")
    attach.add_argument("--no-start", action="store_true", help="wait for a daemon that something else starts")
    for command in (serve, doctor):
        text = f"which Unix groups may do what ({SYSTEM_ROLES})"
        command.add_argument("--roles", type=Path, metavar="FILE", help=text)
    text = "put this build, detached, in the place of the daemon that runs; the old one comes back if it fails"
    serve.add_argument("--replace", action="store_true", help=text)
    return parser


def anchor(text: str) -> tuple[int, str]:
    """Raises ArgumentTypeError."""
    found = re.fullmatch(r"([0-9]{1,12}):([0-9a-f]{64})", text)
    if found is None:
        raise argparse.ArgumentTypeError("write SEQ:HASH")
    return int(found[1]), found[2]


def label(text: str) -> str:
    """Raises ArgumentTypeError."""
    if not re.fullmatch(r"[A-Za-z0-9._@+-]{1,64}", text):
        raise argparse.ArgumentTypeError("use letters, digits and . _ @ + -")
    return text


def check_packages() -> None:
    """Raises AgentError when another distribution took one of our package names."""
    places = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        places[name] = Path(spec.origin).parent.parent if spec and spec.origin else None
    ours = places["agents"]
    for name, place in places.items():
        if place != ours:
            raise AgentError(
                f"the package `{name}` comes from {place or 'nowhere'}, `agents` from {ours}",
                "install gpuyard into an environment of its own",
            )


if __name__ == "__main__":
    sys.exit(main())
