"""Every flag that an engine knows, from the engine itself: a line a flag, with its other spellings."""

import ast
import json
import re
import subprocess
import zipfile
from pathlib import Path

from tests.real_engines import environments

_VLLM = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
argvs = json.load(sys.stdin)
for argv in argvs:
    parser.parse_args(argv)
print(json.dumps([action.option_strings for action in parser._actions if action.option_strings]))
"""
_FIELDS = re.compile(r"sglang/srt/arg_groups/fields/\w+\.py")


def vllm(*argvs: list[str]) -> str:
    """From its parser, which must take each of `argvs` as well."""
    program = environments.vllm()
    done = subprocess.run(
        [str(program.path), "-c", _VLLM], input=json.dumps(argvs), capture_output=True, text=True, check=False,
        env=program.env, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return _lines(json.loads(done.stdout.splitlines()[-1]))


def llama_cpp() -> str:
    program = environments.llama_cpp()
    shown = subprocess.run([str(program.path), "--help"], capture_output=True, text=True, check=True, env=program.env)
    heads = (line for line in shown.stdout.splitlines() if line.startswith("-") and not line.startswith("-----"))
    return _lines(re.findall(r"(?<!\S)-[^\s,]+", re.split(r"\s{2,}(?=[^-\s])| (?=[^-\s])", head)[0]) for head in heads)


def sglang() -> str:
    """From its wheel, unopened but for the files that declare its flags: it cannot be imported without a GPU."""
    with zipfile.ZipFile(environments.sglang_wheel()) as wheel:
        files = [name for name in wheel.namelist() if _FIELDS.fullmatch(name)]
        modules = [ast.parse(wheel.read(name)) for name in files]
        others = ast.parse(wheel.read("sglang/srt/server_args.py"))
    assert modules
    found = [
        [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        for call in ast.walk(others)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".add_argument")
    ]
    for module in modules:
        for field in ast.walk(module):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found += _declared(field.target.id, field.annotation)
    return _lines(found)


def _declared(name: str, annotation: ast.expr) -> list[list[str]]:
    """One flag of `name: A[type, "help" | Arg(...)]`."""
    if not isinstance(annotation, ast.Subscript) or ast.unparse(annotation.value) != "A":
        return []
    given = {
        word.arg: ast.literal_eval(word.value)
        for call in ast.walk(annotation)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Arg"
        for word in call.keywords
        if word.arg in ("aliases", "cli_name", "no_cli")
    }
    if given.get("no_cli"):
        return []
    return [[given.get("cli_name") or f"--{name.replace('_', '-')}", *given.get("aliases", ())]]


def _lines(groups: object) -> str:
    """Sorted; a negation is not a flag of its own."""
    assert hasattr(groups, "__iter__")
    lines = {" ".join(flag for flag in group if not re.match(r"--no-|-no", flag)) for group in groups}
    return "\n".join(sorted(line for line in lines if line)) + "\n"


def recorded(engine: str) -> Path:
    """What the default suite checks the adapters against."""
    fixtures = Path(__file__).parents[1] / "engines" / "fixtures"
    return next(fixtures.glob(f"{engine}-*/flags.txt"))
