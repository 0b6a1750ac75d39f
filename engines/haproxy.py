"""The gateway: Debian's HAProxy, described as an engine is, so that an agent runs it as one.

It starts with nobody to serve and is told of everything else over its runtime socket. Facts of HAProxy 2.6.12, run:

    balance random(2)          of two drawn by weight, the one with less to do: shares hold at rest as under load
    option http-server-close   no request meets a connection that its engine is about to close
    noreuseport                a port that somebody has is an error, not shared
    SIGUSR1                    listens no longer, and ends after its last request; SIGTERM ends it at once
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from engines.abilities import SignalStep
from engines.base import LOOPBACK, Command, EngineSample, Launch, Probe

SOCKET = "gateway.sock"
"""The runtime socket, in the directory of the instance, to which HAProxy changes: a path of a socket must be short."""

_FILE = "haproxy.cfg"

BACKEND = "members"
FRONTEND = "local"
NETWORK = "network"
"""The frontend of the address that an admin approved; on loopback its own agent asks as well."""

MEMBER = "check inter 2s fastinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error fastinter"
"""How a member is looked at: two checks that fail take it out, and a connection that fails asks at once."""

RELAY = "check inter 2s downinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down"
"""Of a relay one connection that fails is enough: started anew it has nobody at first; a check tells when it has."""

_HEALTH = "/gateway/health"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""Debian has it in a directory that few users' PATH names."""

_DRAIN_S = 120.0
_CONFIG = """\
global
    stats socket unix@{socket} mode 600 level admin
    stats timeout 10s
    noreuseport
    log stderr format raw local0 notice
defaults
    mode http
    log global
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout connect 3s
    timeout check 5s
    timeout queue 30s
    timeout client 1h
    timeout server 1h
    retries 2
    option redispatch
    option http-server-close
frontend {frontend}
    bind {loopback}:{port}
    monitor-uri {health}
    default_backend {backend}
{network}backend {backend}
    balance random(2)
    option httpchk GET /health
    http-check expect status 200
"""


_NETWORK = """\
frontend {frontend}
    bind {host}:{port}
    default_backend {backend}
"""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It has none."""


class HaProxy:
    name: ClassVar[str] = "haproxy"
    Options: ClassVar[type[msgspec.Struct]] = Options
    absent: ClassVar[Mapping[str, str]] = dict.fromkeys(EngineSample.__struct_fields__, "a gateway runs no model")
    live: ClassVar[Mapping[str, str]] = {}

    def command(self, launch: Launch) -> Command:
        bound = _NETWORK.format(frontend=NETWORK, host=launch.host, port=launch.port, backend=BACKEND)
        text = _CONFIG.format(
            socket=SOCKET, loopback=LOOPBACK, port=launch.port, frontend=FRONTEND, backend=BACKEND, health=_HEALTH,
            network="" if launch.host == LOOPBACK else bound,
        )  # fmt: skip
        argv = ("haproxy", "-C", launch.directory, "-f", _FILE, "-db")
        return Command(argv=argv, env={"PATH": _PATH}, files={_FILE: text})

    def ready(self, launch: Launch) -> Probe:
        return Probe(ready_path=_HEALTH, metrics_path=None, load_deadline_s=30.0)

    def sample(self, metrics: str) -> EngineSample:
        return EngineSample()

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        return SignalStep("SIGUSR1", _DRAIN_S), SignalStep("SIGTERM", 10.0)


ENGINE = HaProxy()
