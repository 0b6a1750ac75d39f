"""A small real engine for tests: /health and /metrics on loopback, and the ways in which engines misbehave.

python engine.py --port N [--load-s S] [--ignore-term] [--children N] [--crash-after-s S] [--crash-at-start]
                 [--running N] [--control FILE]

FILE is JSON, read for every request: `running` requests are in flight, `tokens` were made, and `mute` lists the
paths that get no answer. A POST makes one token more, or gets the status `refuse`.
"""

import argparse
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--children", type=int, default=0)
    parser.add_argument("--crash-after-s", type=float, default=None)
    parser.add_argument("--log", default="", help="a line to print at the start")
    parser.add_argument(
        "--crash-at-start", nargs="?", const="RuntimeError: the model does not fit", help="its last words"
    )
    parser.add_argument("--hang", action="store_true", help="never become ready")
    parser.add_argument("--running", type=int, default=0)
    parser.add_argument("--control", default="")
    parser.add_argument("--dump-env", default="", help="write the environment to this file")
    return parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    ready_at = 0.0
    requests = 0
    made = 0
    running = 0
    control = ""

    def do_GET(self) -> None:
        Handler.requests += 1
        told = self.told()
        ready = time.monotonic() >= Handler.ready_at
        body = "ok\n"
        if self.path == "/metrics":
            running, tokens = told.get("running", Handler.running), told.get("tokens", 0) + Handler.made
            body = f"fake_running {running}\nfake_finished {Handler.requests}\nfake_tokens {tokens}\n"
        elif self.path == "/slots":
            body = json.dumps(told.get("slots", []))
        wanted = os.environ.get("FAKE_API_KEY")
        if wanted and self.path != "/health" and self.headers["Authorization"] != f"Bearer {wanted}":
            self.answer(401, "no key")
            return
        self.answer(200 if ready else 503, body)

    def do_POST(self) -> None:
        told = self.told()
        self.rfile.read(int(self.headers["Content-Length"]))
        status = told.get("refuse", 200)
        Handler.made += status == 200
        self.answer(status, "{}")

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(Path(Handler.control).read_text()) if Handler.control else {}
        if self.path in told.get("mute", ()):
            time.sleep(600)
        return told

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    args = parse()
    if args.dump_env:
        Path(args.dump_env).write_text("\n".join(f"{key}={value}" for key, value in os.environ.items()))
    if args.crash_at_start:
        sys.exit(args.crash_at_start)
    if args.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for _ in range(args.children):
        # Sessions of their own and deaf to SIGTERM: nothing but a walk of the tree finds them.
        code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
    Handler.running, Handler.control = args.running, args.control
    Handler.ready_at = float("inf") if args.hang else time.monotonic() + args.load_s
    if args.crash_after_s is not None:
        threading.Timer(args.crash_after_s, os._exit, (3,)).start()
    print(args.log, "loading weights 50%", sep="\n", flush=True)
    Server(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
