#!/bin/sh
# Pin what the console, a node and a developer install, by hash and without index addresses.
set -eu
bin=$1
[ -x "$bin/uv" ] || "$bin/python" -m pip install -q uv
compile() {
    "$bin/uv" pip compile -q --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url "$@"
}
compile pyproject.toml -o requirements/console.txt
compile requirements/agent.in -o requirements/agent.txt
compile pyproject.toml --group dev -o requirements/dev.txt
compile requirements/peers.in -o requirements/peers.txt
