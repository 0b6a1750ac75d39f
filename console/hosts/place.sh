# Puts a build in place from the parts that lie in $incoming, and starts it. Whatever fails, the host is as it was.
#
# verify ─► unpack ─► check (the new build itself) ─► switch (one symlink) ─► start (the old one back if no Hello)
#
# Variables: root incoming build form sums version python pydir program state socket service unit at_boot

say() { printf 'gpuyard:%s\n' "$*"; }
step() { now=$1; say "step $1"; }
die() { printf '%s\n' "$*" >&2; exit 1; }
link() { ln -s "$1" "$2.new$$" && mv -Tf "$2.new$$" "$2"; }
made() { [ -d "$1" ] || { made "${1%/*}" && mkdir "$1" && new_directories="$1 $new_directories"; }; }

unpack_environment() {
    # What `python -m venv` makes, without its need for the modules venv and ensurepip.
    packages=$stage/lib/$pydir/site-packages
    mkdir -p "$stage/bin" "$packages"
    ln -s "$python" "$stage/bin/python"
    printf 'home = %s\ninclude-system-site-packages = false\n' "${python%/*}" >"$stage/pyvenv.cfg"
    "$python" -I -S -c 'import sys, zipfile
for name in sys.argv[2:]: zipfile.ZipFile(name).extractall(sys.argv[1])' "$packages" "$incoming"/*.whl
    printf '#!/bin/sh\nexec %s/%s/bin/python -I -m agents "$@"\n' "$root" "$build" >"$stage/bin/gpuyard-agent"
    printf '#!/bin/sh\nexec %s/%s/bin/python -I -m agents.root "$@"\n' "$root" "$build" >"$stage/bin/gpuyard-agent-root"
    chmod 755 "$stage/bin/gpuyard-agent" "$stage/bin/gpuyard-agent-root"
    ours="$stage/bin/python -I -m agents"
}

unpack_bundle() {
    gzip -dc "$incoming/bundle.tar.gz" | tar -xf - -C "$stage"
    mkdir -p "$stage/bin"
    printf '#!/bin/sh\nexec %s/%s/gpuyard-agent "$@"\n' "$root" "$build" >"$stage/bin/gpuyard-agent"
    printf '#!/bin/sh\nexec %s/%s/gpuyard-agent -m agents.root "$@"\n' "$root" "$build" >"$stage/bin/gpuyard-agent-root"
    chmod 755 "$stage/bin/gpuyard-agent" "$stage/bin/gpuyard-agent-root"
    ours=$stage/gpuyard-agent
}

end_daemon() {
    pid=$(cat "$state/agent.lock" 2>/dev/null || true)
    [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q ' serve' || return 0
    kill -TERM "$pid"
    waited=0
    while [ -d "/proc/$pid" ] && [ $waited -lt 100 ]; do sleep 0.2; waited=$((waited + 1)); done
}

manager() {
    if [ "$service" = "user unit" ]; then
        XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)} systemctl --user "$@"
    else
        systemctl "$@"
    fi
}

start() {
    if [ "$service" = detached ]; then
        [ -d "$state" ] || { made "${state%/*}"; mkdir -m 700 "$state"; new_state=1; }
        [ "$at_boot" = cron ] && write_crontab  # before the agent, which looks for it when it starts
        "$root/$build/bin/gpuyard-agent" serve --replace
        return 0
    fi
    [ "$at_boot" = linger ] && { loginctl enable-linger || die "loginctl enable-linger was refused"; }
    made "${unit%/*}"
    [ -e "$unit" ] && cp -p "$unit" "$incoming/unit.before"
    touched_unit=1
    cp "$incoming/gpuyard-agent.service" "$unit"
    manager daemon-reload
    manager is-active -q gpuyard-agent.service || end_daemon
    manager enable -q gpuyard-agent.service
    manager restart gpuyard-agent.service
    # Not before it listens: a bridge that came earlier would start a daemon of its own.
    "$root/$build/bin/gpuyard-agent" attach --no-start --state "$state" --socket "$socket" >/dev/null
}

write_crontab() {
    crontab -l >"$incoming/crontab.before" 2>/dev/null || true
    grep -q '# gpuyard-agent$' "$incoming/crontab.before" && return 0
    touched_crontab=1
    line="@reboot $root/current/bin/gpuyard-agent serve >>$state/agent.log 2>&1 # gpuyard-agent"
    { cat "$incoming/crontab.before"; echo "$line"; } | crontab -
}

undo() {
    status=$?
    trap - EXIT
    [ -n "$finished" ] && exit 0
    set +e
    if [ -n "$touched_unit" ]; then
        if [ -e "$incoming/unit.before" ]; then
            cp -p "$incoming/unit.before" "$unit"
        else
            manager disable -q --now gpuyard-agent.service
            rm -f "$unit"
        fi
        manager daemon-reload
    fi
    if [ -n "$touched_crontab" ]; then
        if [ -s "$incoming/crontab.before" ]; then crontab "$incoming/crontab.before"; else crontab -r; fi
    fi
    if [ -n "$switched" ]; then
        if [ -n "$before" ]; then link "$before" "$root/current"; else rm -f "$root/current"; fi
        [ -n "$program_before" ] || rm -f "$program"
    fi
    [ -n "$placed" ] && rm -rf "${root:?}/$build"
    [ -e "$incoming/before" ] && mv "$incoming/before" "$root/$build"
    [ -n "$touched_unit" ] && [ -e "$incoming/unit.before" ] && manager restart gpuyard-agent.service
    rm -rf "$incoming"
    [ -n "$new_state" ] && rm -rf "$state"
    for directory in $new_directories; do rmdir "$directory" 2>/dev/null; done
    exit "$status"
}

forget_old() {
    # The build before stays for a way back; older ones go, unless something still runs from them.
    for directory in "$root"/*/; do
        directory=${directory%/}
        case ${directory##*/} in current | "$build" | "$before" | '*') continue ;; esac
        grep -qsF "$directory/" /proc/[0-9]*/cmdline || rm -rf "$directory"
    done
    find "${incoming%/*}" -maxdepth 1 -type d -name '.gpuyard.*' -mmin +60 -exec rm -rf {} + 2>/dev/null || true
}

main() {
    set -eu
    new_directories='' new_state='' touched_unit='' touched_crontab='' switched='' placed='' finished='' before='' program_before=''
    trap undo EXIT
    trap 'exit 1' HUP INT PIPE TERM  # a broken link is seen at the next word that is said
    umask 022
    step verify
    cd "$incoming"
    printf '%s' "$sums" | sha256sum -c - >sums.said 2>&1 || die "what arrived is not what was sent: $(sed -n 's/: FAILED.*//p' sums.said | tr '\n' ' ')"
    step unpack
    stage=$incoming/stage
    mkdir "$stage"
    "unpack_$form"
    step check
    said=$($ours version) || die "the new build does not run"
    [ "$said" = "gpuyard-agent $version" ] || die "the new build says it is $said"
    step switch
    before=$(readlink "$root/current" || true)
    [ -e "$root/$build" ] && mv "$root/$build" "$incoming/before"
    made "$root"
    placed=1
    mv "$stage" "$root/$build"
    switched=1
    link "$build" "$root/current"
    program_before=$(readlink "$program" || true)
    made "${program%/*}"
    if [ -n "$program_before" ] || [ ! -e "$program" ]; then link "$root/current/bin/gpuyard-agent" "$program"; fi
    step start
    start
    finished=1
    say "before $before"
    rm -rf "$incoming"
    forget_old
    say "end 1"
}

main </dev/null
