#!/bin/sh
# Make .venv ready: `setup.sh console` for running gpuyard, `setup.sh dev` for its tests as well.
# System packages are installed when root; otherwise they are named, and the tests that need them skip by name.
set -eu
kind=$1
venv=.venv

say() { printf '%s\n' "gpuyard set-up: $*" >&2; }

# Installs Debian packages, or says which are missing.
need() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing $*"
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || {
            apt-get update -qq >/dev/null
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
        }
    else
        say "missing, install them for the full experience: $*"
    fi
}

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 \
        && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { say "Python 3.11 or newer is needed, and none was found on PATH"; exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv

if [ "$kind" = dev ]; then
    missing=
    [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null 2>&1 || missing="$missing openssh-server"
    command -v ssh-keygen >/dev/null 2>&1 || missing="$missing openssh-client"
    command -v sudo >/dev/null 2>&1 || missing="$missing sudo"
    [ -x /usr/sbin/haproxy ] || command -v haproxy >/dev/null 2>&1 || missing="$missing haproxy"
    command -v tmux >/dev/null 2>&1 || missing="$missing tmux"
    command -v g++ >/dev/null 2>&1 || missing="$missing g++"
    command -v ninja >/dev/null 2>&1 || missing="$missing ninja-build"
    # shellcheck disable=SC2086
    [ -z "$missing" ] || need $missing
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
say "installing requirements/$kind.txt"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install -q --no-compile --require-hashes -r "requirements/$kind.txt"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install -q --no-compile --no-deps -e .
"$venv/bin/python" -m compileall -q -j 0 "$venv"/lib/python*/site-packages console agents engines profiles >/dev/null || true
touch "$venv/.$kind"
[ "$kind" = console ] || touch "$venv/.console"
