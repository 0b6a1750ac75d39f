"""The systemd units that keep an agent.

`KillMode=process`: stopping or restarting the agent never touches engines, which live in groups of the unit.
"""

from console.hosts.choice import Choice

NAME = "gpuyard-agent.service"

_UNIT = """\
[Unit]
Description=gpuyard agent
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
TasksMax=infinity
{directories}
[Install]
WantedBy={wanted_by}
"""

_STATE = "/var/lib/gpuyard"
_STATE_DIRECTORY = """\
StateDirectory=gpuyard
StateDirectoryMode=0700
"""
_RUNTIME_DIRECTORY = """\
RuntimeDirectory=gpuyard
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
"""


def text(choice: Choice) -> str:
    """Of the system for root, of the login otherwise; "" where nothing keeps the agent."""
    command = f"{choice.root}/current/bin/gpuyard-agent serve"
    match choice.service:
        case "system unit":
            command += f" --state {choice.state} --socket {socket(choice)}"
            directories = _RUNTIME_DIRECTORY + (_STATE_DIRECTORY if choice.state == _STATE else "")
            return _UNIT.format(command=command, directories=directories, wanted_by="multi-user.target")
        case "user unit":
            return _UNIT.format(command=command, directories="", wanted_by="default.target")
        case "detached":
            return ""


def socket(choice: Choice) -> str:
    """Where the agent listens."""
    return "/run/gpuyard/agent.sock" if choice.service == "system unit" else f"{choice.state}/agent.sock"


def path(choice: Choice, home: str) -> str:
    """Where systemd looks for it; "" where nothing keeps the agent."""
    match choice.service:
        case "system unit":
            return f"/etc/systemd/system/{NAME}"
        case "user unit":
            return f"{home}/.config/systemd/user/{NAME}"
        case "detached":
            return ""
