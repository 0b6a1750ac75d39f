# Ends the agent and takes away everything that an installation and its agent have made. Engines are not touched:
# where one still runs, nothing is done.
#
# Variables: root program state user_unit keep_state (1 leaves the state directory)

say() { printf 'gpuyard:%s\n' "$*"; }
daemon() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -q ' serve'; }

remove_unit() {
    if [ "$(id -u)" = 0 ] && [ -e /etc/systemd/system/gpuyard-agent.service ]; then
        systemctl disable -q --now gpuyard-agent.service
        rm -f /etc/systemd/system/gpuyard-agent.service
        systemctl daemon-reload
    elif [ -e "$user_unit" ]; then
        XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
        export XDG_RUNTIME_DIR
        systemctl --user disable -q --now gpuyard-agent.service
        rm -f "$user_unit"
        systemctl --user daemon-reload
    fi
}

end_daemon() {
    pid=$(cat "$state/agent.lock" 2>/dev/null) && [ -n "$pid" ] && daemon "$pid" || return 0
    kill -TERM "$pid"
    waited=0
    while daemon "$pid" && [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
    daemon "$pid" && kill -KILL "$pid"
    return 0
}

remove_crontab() {
    command -v crontab >/dev/null 2>&1 || return 0
    table=$(crontab -l 2>/dev/null) || return 0
    kept=$(printf '%s\n' "$table" | grep -v '# gpuyard-agent$')
    [ "$kept" = "$table" ] && return 0
    if [ -n "$kept" ]; then printf '%s\n' "$kept" | crontab -; else crontab -r; fi
}

main() {
    set -u
    cd /
    say "step stop"
    remove_unit
    end_daemon
    remove_crontab
    say "step delete"
    case $(readlink "$program") in "$root"/*) rm -f "$program" ;; esac
    rm -rf "${root:?}"
    [ -n "$keep_state" ] || rm -rf "${state:?}"
    if [ "$(id -u)" != 0 ]; then  # what held nothing else goes as well
        for directory in .config/systemd/user .local/share .local/state .local/bin .config/systemd .local .config; do
            rmdir "$HOME/$directory" 2>/dev/null
        done
    fi
    for place in "$root" "$program" $([ -n "$keep_state" ] || echo "$state"); do
        [ -e "$place" ] && { echo "$place is still there" >&2; exit 1; }
    done
    say "end 1"
}

main </dev/null
