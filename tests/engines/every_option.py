"""A value for every option of an adapter, and the sentence that its struct says of each."""

import ast
import inspect
import textwrap
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

from engines.base import Engine

_BY_TYPE: dict[object, Any] = {str: "x", int: 7, float: 0.5, bool: True}


def every_option(engine: Engine, *, negated: bool = False) -> dict[str, Any]:
    """Plain, as in a profile. `negated` sets every switch to false."""
    chosen = {field.encode_name: _value(field.type) for field in fields(engine.Options)}
    chosen |= {name: False for name, value in chosen.items() if value is True and negated}
    return {name: value for name, value in chosen.items() if name not in ("program", "extra_args")}


def _value(kind: Any) -> Any:
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return [_value(inner[0])] * 2
    if origin is list:
        return [0.1, 0.25]
    if origin is dict:
        return {"time_to_first_token": _value(inner[1])}
    assert origin is Union or type(kind).__name__ == "UnionType", f"no value for an option of {kind}"
    return _value(next(one for one in inner if one is not NoneType))


def documented(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Option → the text below its line."""
    said: dict[str, str] = {}
    for part in struct.__mro__:
        if not issubclass(part, msgspec.Struct) or part is msgspec.Struct:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, [*body.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = (
                    below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
                )
                name = field.target.id
                said[name] = " ".join(str(text or (name in (part.__doc__ or "") and part.__doc__) or "").split())
    return {name: text for name, text in said.items() if text}
