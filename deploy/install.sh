#!/usr/bin/env bash
# deploy/install.sh: make this machine a gateway, from a checkout. Run it again to update; what is there stays.
#
#   sudo deploy/install.sh             install or update
#   deploy/install.sh --dry-run        only print what it would do
#   sudo deploy/install.sh --uninstall remove program and service; configuration and journal stay
#   sudo deploy/install.sh --purge --yes   remove those too: undelivered outcomes are lost
#
# The runtime gets a virtual environment of its own, because its import names (edge, drivers, tasks) are common words
# that another distribution in the same environment could overwrite without a message.
set -euo pipefail

prefix=/opt/edge
venv=$prefix/venv
config=/etc/edge
state=/var/lib/edge
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$here")
action=install
yes=no
dry=no

stop() { printf 'install: %s\n' "$@" >&2; exit 1; }
say() { printf 'install: %s\n' "$*"; }
run() {
    printf '  %s\n' "$*"
    [ "$dry" = yes ] || "$@"
}

for argument in "$@"; do
    case $argument in
        --dry-run) dry=yes ;;
        --uninstall) action=uninstall ;;
        --purge) action=purge ;;
        --yes) yes=yes ;;
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) stop "unknown option $argument; see --help" ;;
    esac
done
[ "$dry" = yes ] || [ "$(id -u)" = 0 ] || stop "it writes to /opt, /etc and systemd: run it with sudo, or look first with --dry-run"

systemd() {
    if [ -d /run/systemd/system ]; then
        run systemctl "$@"
    else
        say "systemd does not run here: left out 'systemctl $*'"
    fi
}

remove_program() {
    say "removing program, service and rules; $config and $state stay"
    systemd disable --now edge.service || true  # not installed, or not running: just as good
    run rm -rf "$prefix"
    run rm -f /etc/systemd/system/edge.service /etc/udev/rules.d/99-edge.rules
    if [ "$(readlink /usr/local/bin/edge)" = "$venv/bin/edge" ]; then
        run rm -f /usr/local/bin/edge
    fi
    systemd daemon-reload
}

if [ "$action" = purge ]; then
    [ "$yes" = yes ] || stop "--purge deletes $config and the journal in $state with all undelivered outcomes." \
        "'edge journal stats' says how many there are. Add --yes if that is what you want."
fi
if [ "$action" != install ]; then
    remove_program
    if [ "$action" = purge ]; then
        run rm -rf "$config" "$state"
    fi
    exit 0
fi

# -- 1. what must be there -----------------------------------------------------------------------------------------
[ "$(uname -m)" != armv6l ] || stop "armv6 (Raspberry Pi 1, Zero, Zero W) is not supported: pydantic-core has no wheel for it"
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    stop "Python 3.11 or newer with venv is needed: sudo apt-get update && sudo apt-get install -y python3 python3-venv"
[ ! -e "$config" ] || [ -d "$config" ] || stop "$config is there and is not a folder"

# -- 2. the user, and the groups of the hardware -------------------------------------------------------------------
say "user edge, in the groups gpio, i2c, spi and dialout; people in the group edge may use the control socket"
for group in gpio i2c spi dialout edge; do
    getent group "$group" >/dev/null || run groupadd --system "$group"
done
getent passwd edge >/dev/null ||
    run useradd --system --gid edge --home-dir "$state" --no-create-home --shell /usr/sbin/nologin edge
run usermod --append --groups gpio,i2c,spi,dialout edge

# -- 3. the program ------------------------------------------------------------------------------------------------
say "the program, in $venv"
[ -x "$venv/bin/python" ] || run python3 -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$source/requirements.lock")
run "${pip[@]}" "$source[pi,serial]"
# The same version number from changed sources: pip would otherwise keep what it installed before.
run "${pip[@]}" --no-deps --force-reinstall "$source"
[ -e /usr/local/bin/edge ] || run ln -s "$venv/bin/edge" /usr/local/bin/edge

# -- 4. configuration: only what is missing ------------------------------------------------------------------------
say "configuration in $config; files that are there are left alone"
run install -d -m 0755 "$config" "$config/tasks"
run install -d -m 0700 "$config/secrets"
for file in edge.yaml tasks/workshop.py; do
    [ -e "$config/$file" ] || run install -m 0644 "$here/$file" "$config/$file"
done
# systemd refuses to start a service whose credential has no file; an empty one is a wrong password, which is said.
[ -e "$config/secrets/upstream_password" ] || run install -m 0600 /dev/null "$config/secrets/upstream_password"

# -- 5. the service, the rules of the hardware ---------------------------------------------------------------------
say "service and udev rules"
run install -m 0644 "$here/edge.service" /etc/systemd/system/edge.service
run install -d -m 0755 /etc/udev/rules.d
run install -m 0644 "$here/99-edge.rules" /etc/udev/rules.d/99-edge.rules
if command -v udevadm >/dev/null && [ -d /run/udev ]; then
    run udevadm control --reload
    run udevadm trigger --subsystem-match=gpio --subsystem-match=i2c-dev --subsystem-match=spidev --subsystem-match=tty
fi
systemd daemon-reload
systemd enable edge.service

say "done. Now:"
say "  1. edit $config/edge.yaml, write the password into $config/secrets/upstream_password"
say "  2. CREDENTIALS_DIRECTORY=$config/secrets edge check -c $config/edge.yaml"
say "  3. systemctl restart edge && journalctl -fu edge"
