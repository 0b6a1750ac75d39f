# Writes sshd's settings for sealed logins. They stay only if the console says so once it has tried them: when its
# word is another one, or the link breaks before it comes, sshd has what it had.
#
# check ─► write ─► test (sshd itself) ─► reload ─► the console tries every door ─► keep, or the settings before
#
# Variables: group account own (who writes) settings

say() { printf 'gpuyard:%s\n' "$*"; }
die() { say "hint $2"; printf '%s\n' "$1" >&2; exit 1; }
is_member() { id -nG "$1" 2>/dev/null | tr ' ' '\n' | grep -qxF "$group"; }

find_sshd() {
    # The topmost sshd above this login: the one that listens, or with inetd and its like the login's own.
    at=$$ sshd=''
    while [ "${at:-0}" -gt 0 ]; do
        case $(cat "/proc/$at/comm") in sshd*) sshd=$at ;; esac
        at=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$at/status")
    done
    [ -n "$sshd" ] || die "no sshd is above this login" "write the settings by hand"
    program=$(readlink "/proc/$sshd/exe")
    title=$(tr '\0' ' ' <"/proc/$sshd/cmdline")
    config=$(printf '%s\n' "$title" | sed -n 's/.* -f *\([^ ]*\).*/\1/p')
    config=$(readlink -f "${config:-/etc/ssh/sshd_config}")
    case $title in *"[priv]"*) listens='' ;; *) listens=1 ;; esac
}

find_file() {
    # A file of our own where sshd reads a directory, else a block at the end of its settings.
    directory=$(sed -n 's/^[[:space:]]*[Ii]nclude[[:space:]]*"\{0,1\}\(\/[^ *"]*\)\/\*\.conf.*/\1/p' "$config" | head -n 1)
    if [ -d "$directory" ]; then file=$directory/gpuyard.conf; else file=$config; fi
}

written() {
    [ -e "$file" ] && awk '/^# gpuyard: begin/ { own = 1 } !own { print } /^# gpuyard: end/ { own = 0 }' "$file"
    printf '# gpuyard: begin (`gpuyard node sealed` writes this)\n%s\n# gpuyard: end\n' "$settings"
}

reload() { [ -z "$listens" ] || kill -HUP "$sshd"; }

undo() {
    status=$?
    trap - EXIT
    trap '' PIPE HUP
    rm -f "$file.new"
    if [ -n "$touched" ]; then
        if [ -e "$file.before" ]; then mv -f "$file.before" "$file"; else rm -f "$file"; fi
        [ -z "$reloaded" ] || reload
    fi
    exit "$status"
}

main() {
    set -u
    umask 077
    touched='' reloaded='' verdict=''
    getent group "$group" >/dev/null || die "there is no group $group" "make it (groupadd) and put accounts into it"
    is_member "$account" || die "$account is not of the group $group" "usermod -aG $group $account, or name another"
    is_member "$own" && die "$own, who writes this, is of the group $group" "it would shut itself out: take it out of it"
    find_sshd
    find_file
    trap undo EXIT
    trap 'exit 1' HUP INT PIPE TERM
    [ ! -e "$file" ] || cp -p "$file" "$file.new" || exit 1  # for its mode and owner
    written >"$file.new" || exit 1
    say "file $file"
    if cmp -s "$file.new" "$file"; then
        rm -f "$file.new"
        say "unchanged 1"
    else
        [ ! -e "$file" ] || cp -p "$file" "$file.before" || exit 1
        touched=1
        mv -f "$file.new" "$file" || exit 1
        why=$("$program" -t -f "$config" 2>&1) || die "$(printf '%s\n' "$why" | head -n 1)" "sshd takes no such settings"
        reloaded=1
        reload || exit 1
    fi
    say "try 1"
    read -r verdict
    [ "$verdict" = keep ] || exit 1
    trap - EXIT
    rm -f "$file.before"
    say "end 1"
}

main
