"""A wheel of a distribution that is called like an engine's, made here: no index, a few hundred bytes.

Its program serves `/health` and empty metrics, as `NAME serve MODEL … --port N` would, and prints its version.
"""

import zipfile
from pathlib import Path

PROGRAM = """
import http.server, sys
from importlib.metadata import version


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def main():
    if "--version" in sys.argv:
        print("NAME", version("NAME"))
        return
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()
"""


def wheel(folder: Path, name: str, version: str, *, module: str = "") -> Path:
    """`module` is what its `__init__` says: whatever should happen when it is imported."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": module,
        f"{name}/cli.py": PROGRAM.replace("NAME", name),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}.cli:main\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def installed(environment: Path, name: str, version: str, *, module: str = "") -> None:
    """What an installer makes of such a wheel in a virtual environment, in no time."""
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel(environment / "wheels", name, version, module=module)) as archive:
        archive.extractall(packages)
    program = environment / "bin" / name
    program.write_text(f"#!{environment}/bin/python\nfrom {name}.cli import main\nmain()\n")
    program.chmod(0o755)
