#!/bin/sh
# Install what is missing of the Debian packages whose programs the tests start. That
# needs root and apt-get; otherwise one line says what is missing, and the tests that
# need it skip themselves. It never fails: it is a help.
#
# Nothing that it installs is started, now or at the next boot.
set -u

# A program, and the package that has it.
needs="redis-server:redis-server redis-sentinel:redis-sentinel postgres:postgresql
chromium:chromium nginx:nginx haproxy:haproxy ss:iproute2 valgrind:valgrind
systemd-analyze:systemd"

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
policy=${POLICY_FILE:-/usr/sbin/policy-rc.d}

# Debian keeps PostgreSQL's own programs out of the path.
has() {
    command -v "$1" >/dev/null && return
    [ "$1" = postgres ] && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}

missing() {
    for need in $needs; do
        has "${need%%:*}" || printf '%s ' "${need#*:}"
    done
}

give_up() {
    echo "not installed, so tests that need them are skipped: $1"
    exit 0
}

# The way of invoke-rc.d(8): 101 forbids to start. One that is there already stays.
forbid_starts() {
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || return
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
}

# Where systemd runs, a new service is enabled though it wasn't started.
forbid_boot() {
    [ -d /run/systemd/system ] || return 0
    for service in redis-server redis-sentinel postgresql nginx haproxy; do
        case " $1 " in
        *" $service "*) systemctl --quiet --now disable "$service" ;;
        esac
    done
}

install() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
        -o DPkg::Lock::Timeout=60 install $1
}

packages=$(missing)
[ -n "$packages" ] || exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || give_up "$packages"

echo "installing what tests need: $packages"
log=$(mktemp)
forbid_starts || give_up "$packages"
{ apt-get -q update && install "$packages"; } >"$log" 2>&1 || tail -n 3 "$log"
rm -f "$log"
forbid_boot "$packages"
packages=$(missing)
[ -z "$packages" ] || give_up "$packages"
