# What a host is like: lines `gpuyard:KEY VALUE` on stdout. It asks nothing, changes nothing, and needs no rights.
# Whatever a login shell prints beside is passed over by the reader.

say() { printf 'gpuyard:%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
limited() { if have timeout; then timeout 10 "$@"; else "$@"; fi; }

pythons() {
    # The words are understood by Python 2 as well, so that one that is too old can be named.
    seen=' '
    for name in python3 /usr/bin/python3 /usr/local/bin/python3 \
        python3.14 python3.13 python3.12 python3.11 /opt/python3.*/bin/python3 "$HOME"/.local/bin/python3.*; do
        path=$(command -v "$name" 2>/dev/null) || continue
        [ -x "$path" ] || continue
        found=$(limited "$path" -S -c '
import sys
path = getattr(sys, "_base_executable", None) or sys.executable
suffix, able = "-", ["0", "0"]
if sys.version_info >= (3, 4):
    import importlib.machinery, importlib.util
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    able = [str(int(importlib.util.find_spec(name) is not None)) for name in ("venv", "ensurepip")]
print(" ".join([".".join(map(str, sys.version_info[:3])), suffix] + able + [path]))' 2>/dev/null) || continue
        real=$(readlink -f "${found##* }" 2>/dev/null || echo "$found")
        case $seen in *" $real "*) continue ;; esac
        seen="$seen$real "
        say "python $found"
    done
}

libc() {
    if text=$(getconf GNU_LIBC_VERSION 2>/dev/null) && [ -n "$text" ]; then
        say "libc $text"
    elif text=$(ldd --version 2>&1 | tr '\n' ' '); then
        case $text in *musl*) version=${text#*Version }; say "libc musl ${version%% *}" ;; esac
    fi
}

services() {
    [ -d /run/systemd/system ] && say "systemd system"
    XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$uid} limited systemctl --user show-environment >/dev/null 2>&1 &&
        say "systemd user"
    [ -e "/var/lib/systemd/linger/$user" ] && say "linger 1"
    if have crontab; then
        say "cron 1"
        crontab -l 2>/dev/null | grep -q '# gpuyard-agent$' && say "at_boot 1"
    fi
    slice=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
    for mounted in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [ -f "$mounted/cgroup.controllers" ] && [ -n "$slice" ] && [ -w "$mounted$slice/cgroup.procs" ] &&
            say "cgroup 1"
    done
}

driver() {
    version=$(sed -n '1s/.*Module *\([0-9][0-9.]*\).*/\1/p' /proc/driver/nvidia/version 2>/dev/null)
    [ -n "$version" ] && say "driver $version"
    for place in /usr/lib/*/libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.1 /usr/lib64/libnvidia-ml.so.1; do
        [ -e "$place" ] && say "nvml $place" && return
    done
}

disk() {
    place=$root
    while [ ! -d "$place" ]; do place=${place%/*}; place=${place:-/}; done
    [ -w "$place" ] && say "writable 1"
    df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print "gpuyard:free_kib " $4 }'
    say "filesystem $(stat -f -c %T "$place" 2>/dev/null)"
}

agent() {
    current=$(readlink "$root/current" 2>/dev/null) && say "build $current"
    say "state $state"
    [ -d "$state" ] && say "state_exists 1"
    pid=$(cat "$state/agent.lock" 2>/dev/null)
    if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q ' serve'; then
        say "daemon $pid"
    fi
    engines=0
    for handle in "$state"/instances/*/handle.json; do
        pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$handle" 2>/dev/null | head -n 1)
        [ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "GPUYARD_STATE=$state" &&
            engines=$((engines + 1))
    done
    say "engines $engines"
    [ -e "$unit" ] && say "unit $unit"
    [ -S /run/gpuyard/agent.sock ] && say "served 1"
}

main() {
    uid=$(id -u)
    user=$(id -un 2>/dev/null || echo "$uid")
    if [ "$uid" = 0 ]; then
        root=/opt/gpuyard unit=/etc/systemd/system/gpuyard-agent.service
    else
        root=$HOME/.local/share/gpuyard unit=$HOME/.config/systemd/user/gpuyard-agent.service
    fi
    if [ -w /var/lib/gpuyard ] && [ -x /var/lib/gpuyard ]; then
        state=/var/lib/gpuyard
    else
        state=${XDG_STATE_HOME:-$HOME/.local/state}/gpuyard
    fi
    say "uid $uid"
    say "user $user"
    say "home $HOME"
    say "system $(uname -s)"
    say "arch $(uname -m)"
    for tool in tar gzip sha256sum; do have "$tool" || say "missing $tool"; done
    have sudo && sudo -n true >/dev/null 2>&1 && say "sudo 1"
    libc
    pythons
    services
    driver
    disk
    agent
    say "end 1"
}

main </dev/null
