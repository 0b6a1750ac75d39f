"""The command line of an engine that somebody started, read back into what a profile would say of it. Pure.

    argv, environment ──read──► Told(engine, model, port, options, env)
                           └──► NotRead: not this engine's, or words that nobody here knows, each named

Nothing is guessed: a word that no option takes is `extra_args` where the adapter has them, and refused elsewhere.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, get_args, get_origin

import msgspec

from engines.base import LOOPBACK, BadOptions, Engine, EngineError
from engines.options import options_for
from engines.options.extra import Spells
from engines.words import Reads, Words

ANEW = "start it anew by a profile"
SECRET_HINT = "start it anew by a profile, with the secret in `env`"
NOTHING_SET: Mapping[str, str] = {}
_SECRET = re.compile(r"(?i)key|token(?!s)|secret|passw|credential|auth")
_ON = frozenset({"1", "true", "on", "yes"})
_COMMON = ("HF_", "LD_LIBRARY_PATH", "NCCL_", "OMP_")
"""Variables that any engine, or what it is built on, may be set by."""


class NotRead(EngineError):
    """The command line says something that a profile could not."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """`options` are plain, as in a profile, and have been checked; `served_as` "" where it says no name.

    `env` are variables that it was set by; `left` are the names of those that no profile holds: they may be secrets.
    """

    engine: str
    model: str
    port: int
    host: str = LOOPBACK
    served_as: str = ""
    options: dict[str, Any] = {}
    env: dict[str, str] = {}
    left: tuple[str, ...] = ()


def split(engine: Engine, argv: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """The program of `engine` and the words after it; None where another one was started.

    A script's first word is its Python; of a module, that is the program.
    """
    for wanted in engine.words.begins if isinstance(engine, Reads) else ():
        for start in (0, 1) if argv and PurePath(argv[0]).name.startswith("python") else (0,):
            found = argv[start : start + len(wanted)]
            if found and (PurePath(found[0]).name, *found[1:]) == wanted:
                return argv[0] if found[0] == "-m" else found[0], argv[start + len(wanted) :]
    return None


def read(engine: Engine, argv: Sequence[str], environment: Mapping[str, str] = NOTHING_SET) -> Told:
    """Raises NotRead, which never shows a word that may be a secret."""
    parts = split(engine, argv)
    if not isinstance(engine, Reads) or parts is None:
        raise NotRead(f"`{' '.join(argv[:1])}` is not how {engine.name} is started")
    program, rest = parts
    env, left = _settings(engine.words, environment)
    told = _Line(engine, engine.words, rest).told(program, environment)
    return msgspec.structs.replace(told, env=env, left=left)


def _settings(words: Words, environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that it is set by and no flag says, and those of them that nobody may keep. Raises NotRead."""
    env, left = {}, []
    for name, value in sorted(environment.items()):
        own = name.startswith(words.environment) if words.environment else False
        if name in words.variables or not (own or name.startswith(_COMMON)):
            continue
        if not _SECRET.search(name):
            env[name] = value
        elif own:
            raise NotRead(f"its variable {name} may be a secret, which no profile holds", SECRET_HINT)
        else:
            left.append(name)
    return env, tuple(left)


class _Line:
    """One pass over the words after the program."""

    def __init__(self, engine: Engine, words: Words, rest: Sequence[str]) -> None:
        self._engine = engine
        self._words = words
        self._rest = list(rest)
        self._types = {field.encode_name: field.type for field in msgspec.structs.fields(engine.Options)}
        self._spelled = engine.spellings if isinstance(engine, Spells) else {}
        self._options: dict[str, Any] = {}
        self._extra: list[str] = []
        self._said: dict[str, str] = {}

    def told(self, program: str, environment: Mapping[str, str]) -> Told:
        """Raises NotRead."""
        if self._words.takes_model_bare and self._rest and not self._rest[0].startswith("-"):
            self._said["model"] = self._rest.pop(0)
        while self._rest:
            self._take(self._rest.pop(0))
        for variable, flag in self._words.variables.items():
            self._hear(flag, environment.get(variable, ""))
        if self._extra and "extra_args" not in self._types:
            unknown = ", ".join(f"`{word.partition('=')[0]}`" for word in self._extra if word.startswith("-"))
            raise NotRead(f"{self._engine.name} has no option for {unknown or 'a word that no flag asks for'}", ANEW)
        raw = {"program": program, **self._words.unsaid, **self._options}
        raw |= {"extra_args": self._extra} if self._extra else {}
        try:
            options_for(self._engine, raw)
        except BadOptions as error:
            raise NotRead(error.message, error.hint) from None
        return Told(
            engine=self._engine.name,
            model=self._needed("model"),
            port=self._port(),
            host=self._said.get("host", self._words.host),
            served_as=self._said.get("served", ""),
            options=raw,
        )

    def _needed(self, what: str) -> str:
        if what not in self._said:
            raise NotRead(f"its command line names no {what}", ANEW)
        return self._said[what]

    def _port(self) -> int:
        if "port" not in self._said and self._words.port is not None:
            return self._words.port
        said = self._needed("port")
        if not said.isdecimal():
            raise NotRead(f"`--port {said}` is no number")
        return int(said)

    def _hear(self, flag: str, value: str) -> None:
        """A variable in place of `flag`, which wins where both are given."""
        option = self._option(flag)
        if not value or self._own(flag) in self._said or option in self._options:
            return
        if not (option and self._is_switch(option)):
            self._rest = [value]
            self._take(flag)
        elif value.lower() in _ON:
            self._take(flag)

    def _take(self, word: str) -> None:
        flag, equals, inline = word.partition("=") if word.startswith("--") else (word, "", "")
        own, option = self._own(flag), self._option(flag)
        if not (own or option):
            if flag in self._words.ours:
                del self._rest[: self._words.ours[flag]]
            elif word.startswith("-") and _SECRET.search(flag):
                raise NotRead(f"what follows `{flag}` may be a secret, which no profile holds", SECRET_HINT)
            else:
                self._extra.append(word)
            return
        if own in self._said or option in self._options:
            raise NotRead(f"`{flag}` says what was said before: `{own or option}`", ANEW)
        if equals and option and self._is_switch(option):
            raise NotRead(f"`{flag}` takes no value", ANEW)
        if equals:
            self._rest.insert(0, inline)
        if own:
            self._said[own] = self._value(flag)
        else:
            self._options[option] = self._typed(option, flag)

    def _own(self, flag: str) -> str:
        named = {"--port": "port", "--host": "host"}
        named |= dict.fromkeys(self._words.model, "model") | dict.fromkeys(self._words.served, "served")
        return named.get(flag, "")

    def _option(self, flag: str) -> str:
        """Also of a switch's negation; "" for a word that is no option's."""
        if not flag.startswith("-"):
            return ""
        for spelled in (flag, f"--{flag.removeprefix('--no-')}"):
            name = self._spelled.get(spelled, spelled.removeprefix("--").replace("-", "_"))
            if name in self._types and name not in ("program", "extra_args"):
                return name if spelled == flag or self._is_switch(name) else ""
        return ""

    def _is_switch(self, option: str) -> bool:
        kind = self._types[option]
        return bool in (kind, *get_args(kind))

    def _typed(self, option: str, flag: str) -> object:
        kind = self._types[option]
        if self._is_switch(option):
            return not flag.startswith(("--no-", "-no"))
        if get_origin(kind) is tuple:
            return [_converted(word, get_args(kind)[0], flag) for word in self._several(flag)]
        return _converted(self._value(flag), kind, flag)

    def _several(self, flag: str) -> list[str]:
        if self._words.commas:
            return self._value(flag).split(",")
        taken = [self._value(flag)]
        while self._rest and not self._rest[0].startswith("-"):
            taken.append(self._rest.pop(0))
        return taken

    def _value(self, flag: str) -> str:
        if not self._rest:
            raise NotRead(f"nothing follows `{flag}`")
        return self._rest.pop(0)


def _converted(word: str, kind: Any, flag: str) -> object:
    """Raises NotRead."""
    try:
        if get_origin(kind) is dict:
            return msgspec.to_builtins(msgspec.json.decode(word, type=kind))
        return msgspec.to_builtins(msgspec.convert(word, kind, strict=False))
    except msgspec.MsgspecError as error:
        raise NotRead(f"`{flag} {word}`: {error}") from None
